-- ARGV: now, ids.
local now = ARGV[1]
for i = 2, #ARGV do
  local id = ARGV[i]
  local e = call('HMGET', entry(id), 'state', 'due', 'until', 'lane')
  if e[1] == 'ready' and e[2] > now then
    call('HSET', entry(id), 'due', now)
    local head = call('ZRANGE', lane(e[4]), 0, 0)[1]
    if head == id and (e[3] == '' or us(e[3]) <= us(now)) then call('ZADD', P .. 'due', us(now), e[4]) end
  end
end
return 1
