-- ARGV: now, id of the dead letter that was replaced or '', then key, id, when
-- it expires, for how many milliseconds to keep it... Answers how many keys
-- are another entry's, not counted before.
--
-- A reservation gives way to an entry that is durable, whoever made it: the
-- one who holds it will be told so when it confirms.
local now, replaced = ARGV[1], ARGV[2]
local twice = 0
for i = 3, #ARGV, 4 do
  local key, id, expires, keep = name(ARGV[i]), ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local value = call('GET', key)
  local other, till = first(now, value)
  if other == id and till <= expires then
    -- known already: confirming again does not prolong it
  elseif not other or other == id or other == replaced then
    call('SET', key, 'C:' .. expires .. ':' .. id .. ',', 'PX', keep)
  elseif not string.find(value, ',' .. id .. ',', 1, true) then
    call('SET', key, value .. id .. ',', 'KEEPTTL')
    twice = twice + 1
  end
end
return {tostring(twice)}
