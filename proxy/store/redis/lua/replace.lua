-- ARGV: now, id of the dead letter, entries... Answers nothing if there is no
-- such dead letter, unless one of the entries is there under its own id: then
-- the answer of an earlier call got lost.
local now, id = ARGV[1], ARGV[2]
if call('HGET', entry(id), 'state') == 'dead' then
  remove(id, 'dead')
  return admit(now, id)
end
for i = 3, #ARGV, fields do
  if call('EXISTS', entry(ARGV[i])) == 1 then return admit(now, '') end
end
return false
