-- ARGV: now, end of the lease, max. Answers seven values for each claim.
local now, till = ARGV[1], ARGV[2]
trim(now, 256)
local out = {}
for _, name in ipairs(call('ZRANGE', P .. 'due', '-inf', us(now), 'BYSCORE', 'LIMIT', 0, ARGV[3])) do
  local id = call('ZRANGE', lane(name), 0, 0)[1]
  local token = call('INCR', P .. 'token')
  call('HSET', entry(id), 'token', token, 'until', till)
  call('ZADD', P .. 'due', us(till), name)
  local e = call('HMGET', entry(id), 'attempts', 'admitted', 'size', 'labels')
  for _, v in ipairs({id, name, tostring(token), e[1], e[2], e[3], e[4]}) do
    out[#out + 1] = v
  end
end
return out
