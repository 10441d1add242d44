-- ARGV: now, id, token, end of the lease.
local id = ARGV[2]
if not held(id, ARGV[3]) then return 0 end
local e = call('HMGET', entry(id), 'until', 'lane')
if us(e[1]) <= us(ARGV[1]) then return 0 end
call('HSET', entry(id), 'until', ARGV[4])
call('ZADD', P .. 'due', us(ARGV[4]), e[2])
return 1
