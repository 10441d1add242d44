-- The scripts of Keys begin with this instead of lib.lua. KEYS[1] is the tag
-- of the partition, as there. A key stands in
--
--   k:<key>    STRING  'R:<token>' while it is reserved: ends with the lease
--                      'C:<expires>:<id>,' once its entry is durable, then the
--                      ids of those that were admitted beside it, each with a
--                      comma: they have been counted
--
-- Times come as decimal nanoseconds of 19 digits, which compare as text. The
-- server forgets a key a minute after it expires; whether it has expired is
-- told by the times alone.
local P = KEYS[1]
local call = redis.call
local function name(key) return P .. 'k:' .. key end

-- first returns the id that brought a key which has not expired, and until
-- when it is known.
local function first(now, value)
  if not value then return nil end
  local expires, id = string.match(value, '^C:(%d+):([^,]*),')
  if not expires or expires <= now then return nil end
  return id, expires
end
