-- ARGV: now, end of the lease, max, how many of them newest first. Answers
-- seven values for each claim.
local now, till, max, newest = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
trim(now, 256)
local out, count = {}, 0
local function claim(name)
  local id = call('ZRANGE', lane(name), 0, 0)[1]
  local token = call('INCR', P .. 'token')
  call('HSET', entry(id), 'token', token, 'until', till)
  call('ZADD', P .. 'due', us(till), name)
  local e = call('HMGET', entry(id), 'attempts', 'admitted', 'size', 'labels')
  for _, v in ipairs({id, name, tostring(token), e[1], e[2], e[3], e[4]}) do
    out[#out + 1] = v
  end
  count = count + 1
end
-- Of the newest many may be leased or waiting: the search is bounded.
local limit = tonumber(us(now))
for first = 0, 900, 100 do
  if count >= newest then break end
  for _, name in ipairs(call('ZREVRANGE', P .. 'heads', first, first + 99)) do
    if count < newest and tonumber(call('ZSCORE', P .. 'due', name)) <= limit then claim(name) end
  end
end
for _, name in ipairs(call('ZRANGE', P .. 'due', '-inf', us(now), 'BYSCORE', 'LIMIT', 0, max - count)) do
  claim(name)
end
return out
