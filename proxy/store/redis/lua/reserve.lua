-- ARGV: now, lease in milliseconds, token, id of the dead letter that is
-- replaced or '', keys... Answers 'held' if another admission holds one of
-- the keys; then none is reserved. Otherwise 'ok' and, for each key, the id of
-- the entry that brought it, or '' if it is reserved now. The dead letter's own
-- key needs no reservation: nobody else gets it.
local now, lease, mine, replaced = ARGV[1], ARGV[2], 'R:' .. ARGV[3], ARGV[4]
local out, free = {'ok'}, {}
for i = 5, #ARGV do
  local value = call('GET', name(ARGV[i]))
  local id = first(now, value)
  if not id and value and value ~= mine and string.sub(value, 1, 2) == 'R:' then return {'held'} end
  if id == replaced then
    id = ''
  elseif not id then
    id = ''
    free[#free + 1] = ARGV[i]
  end
  out[#out + 1] = id
end
for _, key in ipairs(free) do call('SET', name(key), mine, 'PX', lease) end
return out
