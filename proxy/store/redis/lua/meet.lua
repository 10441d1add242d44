-- ARGV: now, holder, lease in nanoseconds, then for each sighting: device,
-- seen, source, beats (0 or 1), told, online (0 or 1).
-- Answers: leads (0 or 1), since. Keys of the partition:
--
--   presence        HASH    device -> seen (19) told (19) online (1) beats (1) source
--   presence:lead   HASH    holder, until, met, since
--
-- Works with the libraries of the store and of the shared keys alike.
local now, holder, lease = ARGV[1], ARGV[2], ARGV[3]
local board, lead = P .. 'presence', P .. 'presence:lead'
-- Nanoseconds do not fit into a number of Lua, microseconds do.
local function micros(t) return tonumber(string.sub(t, 1, -4)) or 0 end
local l = call('HMGET', lead, 'holder', 'until', 'met', 'since')
local met, since = l[3] or '', l[4] or ''
local long = micros(lease)
if met == '' or micros(now) - micros(met) > long then since = now end
if now > met then met = now end
local leads = 0
if not l[1] or l[1] == holder or micros(l[2]) <= micros(now) then
  leads = 1
  call('HSET', lead, 'holder', holder, 'until', string.format('%016d', micros(now) + long) .. '000')
end
call('HSET', lead, 'met', met, 'since', since)
for i = 4, #ARGV, 6 do
  local device, seen, source, beats, told, online = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5]
  local old = call('HGET', board, device)
  if old then
    local oldSeen, oldTold = string.sub(old, 1, 19), string.sub(old, 20, 38)
    if oldSeen >= seen then seen, source = oldSeen, string.sub(old, 41) end
    if oldTold >= told then told, online = oldTold, string.sub(old, 39, 39) end
    if string.sub(old, 40, 40) == '1' then beats = '1' end
  end
  call('HSET', board, device, seen .. told .. online .. beats .. source)
end
return {tostring(leads), since}
