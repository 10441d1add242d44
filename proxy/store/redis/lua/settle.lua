-- ARGV: now, id, token, action, time of the retry, attempts to add, class, text.
local id, action = ARGV[2], ARGV[4]
if not held(id, ARGV[3]) then return 0 end
local name = call('HGET', entry(id), 'lane')
if action == 'retry' then
  call('HSET', entry(id), 'token', 0, 'until', '', 'due', ARGV[5], 'class', ARGV[7], 'text', ARGV[8])
else
  call('ZREM', lane(name), id)
end
if action == 'delivered' then
  forget(id, ARGV[1])
  remove(id, 'ready')
else
  call('HINCRBY', entry(id), 'attempts', ARGV[6])
end
if action == 'bury' then
  forget(id)
  local e = call('HMGET', entry(id), 'size', 'seq')
  call('HSET', entry(id), 'token', 0, 'until', '', 'due', '', 'state', 'dead', 'class', ARGV[7], 'text', ARGV[8])
  call('ZREM', P .. 'ready', id)
  call('ZADD', P .. 'dead', e[2], id)
  call('HINCRBY', P .. 'bytes', 'ready', 0 - tonumber(e[1]))
  call('HINCRBY', P .. 'bytes', 'dead', e[1])
end
wake(ARGV[1], name)
return 1
