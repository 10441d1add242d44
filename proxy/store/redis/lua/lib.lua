-- Every script begins with this. All keys of a partition share one hash tag,
-- so they lie on one server; KEYS[1] is the tag with a colon: '{yiqiao:0}:'.
--
-- No key has that very name, and none may get it: while a cluster moves the
-- slot of the partition from one server to another, its keys lie here and
-- there, and a script that begins would break off in the middle at the first
-- key that is away. A declared key that is not there makes the server refuse
-- the script before it begins (ASK), and this program never goes after an ASK.
--
--   e:<id>     HASH    an entry without its body
--   b:<id>     STRING  its body
--   l:<lane>   ZSET    ids of the ready entries of a lane by seq
--   due        ZSET    lanes by when their head may be claimed (us): its due
--                      time or when the one before it was settled, or the
--                      end of its lease
--   heads      ZSET    lanes by seq of their head
--   ready      ZSET    ids of all ready entries by seq
--   dead       ZSET    ids of all dead letters by seq
--   bytes      HASH    bytes of bodies: ready, dead
--   first      HASH    dedup key -> id of the entry that brought it
--   expiry     ZSET    dedup keys by when they expire (us)
--   v:<ref>    ZSET    ids of the ready entries that register a thing by seq
--   accepted   HASH    thing -> its version accepted last: when (19 digits),
--                      its digest (16 bytes) and the id of its entry
--   seq                order of the last admission: microseconds of the clock
--                      of the process that admitted it, but always greater
--                      than the one before, so that partitions can be merged
--   token              counter: fencing
--   presence           HASH, and presence:lead: see meet.lua
--
-- Times come as decimal nanoseconds of 19 digits; the first 16 are
-- microseconds, which a double holds exactly.
local P = KEYS[1]
local call = redis.call
local function us(time) return string.sub(time, 1, 16) end
local function entry(id) return P .. 'e:' .. id end
local function body(id) return P .. 'b:' .. id end
local function lane(name) return P .. 'l:' .. name end
local function versions(ref) return P .. 'v:' .. ref end

-- wake lets a lane wait for its head, whoever that is now, behind those that
-- wait already. Times of 16 digits compare as text.
local function wake(now, name)
  local head = call('ZRANGE', lane(name), 0, 0, 'WITHSCORES')
  if head[1] then
    local due = us(call('HGET', entry(head[1]), 'due'))
    if due < us(now) then due = us(now) end
    call('ZADD', P .. 'due', due, name)
    call('ZADD', P .. 'heads', head[2], name)
  else
    call('ZREM', P .. 'due', name)
    call('ZREM', P .. 'heads', name)
  end
end

-- known returns the id that brought a key which has not expired.
local function known(now, key)
  if key == '' then return nil end
  local expires = call('ZSCORE', P .. 'expiry', key)
  if not expires or tonumber(expires) <= tonumber(us(now)) then return nil end
  return call('HGET', P .. 'first', key)
end

-- trim forgets at most max keys that expired a minute ago or earlier: another
-- replica's clock may be a little behind.
local function trim(now, max)
  local limit = string.format('%.0f', tonumber(us(now)) - 60000000)
  local old = call('ZRANGE', P .. 'expiry', '-inf', limit, 'BYSCORE', 'LIMIT', 0, max)
  if #old == 0 then return end
  call('ZREM', P .. 'expiry', unpack(old))
  call('HDEL', P .. 'first', unpack(old))
end

-- remove deletes an entry that is in no lane any more.
local function remove(id, state)
  call('HINCRBY', P .. 'bytes', state, 0 - tonumber(call('HGET', entry(id), 'size')))
  call('ZREM', P .. state, id)
  call('DEL', entry(id), body(id))
end

-- unchanged returns the id of the latest version of a registration if it has
-- this digest.
local function unchanged(ref, digest)
  local id, same = call('ZRANGE', versions(ref), -1, -1)[1], nil
  if id then
    same = call('HGET', entry(id), 'digest') == digest
  else
    local accepted = call('HGET', P .. 'accepted', ref)
    id = accepted and string.sub(accepted, 36)
    same = accepted and string.sub(accepted, 20, 35) == digest
  end
  return same and id or nil
end

-- forget takes a version out of those that wait; accepted is when it was, or nil.
local function forget(id, accepted)
  local e = call('HMGET', entry(id), 'registers', 'digest')
  if not e[1] then return end
  call('ZREM', versions(e[1]), id)
  if accepted then call('HSET', P .. 'accepted', e[1], accepted .. e[2] .. id) end
end

-- insert stores an entry, given as by pack in Go.
local function insert(now, e)
  local size = string.len(e.body)
  local last = tonumber(call('GET', P .. 'seq') or '0')
  local seq = string.format('%.0f', math.max(last + 1, tonumber(e.order)))
  call('SET', P .. 'seq', seq)
  local due = now
  if e.state == 'dead' then due = '' end
  call('SET', body(e.id), e.body)
  call('HSET', entry(e.id), 'seq', seq, 'state', e.state, 'lane', e.lane, 'labels', e.labels,
    'class', e.class, 'text', e.text, 'attempts', 0, 'admitted', now, 'due', due, 'size', size,
    'token', 0, 'until', '')
  call('ZADD', P .. e.state, seq, e.id)
  call('HINCRBY', P .. 'bytes', e.state, size)
  if e.key ~= '' then
    call('HSET', P .. 'first', e.key, e.id)
    call('ZADD', P .. 'expiry', us(e.expires), e.key)
  end
  if e.registers ~= '' then
    call('HSET', entry(e.id), 'registers', e.registers, 'digest', e.digest)
    call('ZADD', versions(e.registers), seq, e.id)
  end
  if e.state == 'ready' then
    call('ZADD', lane(e.lane), seq, e.id)
    call('ZADD', P .. 'due', 'NX', us(now), e.lane)
    call('ZADD', P .. 'heads', 'NX', seq, e.lane)
  end
end

-- admit stores the entries in ARGV from index 3 on and answers id and '1' for
-- a duplicate, '0' else, for each. An entry that is there under its own id
-- was admitted by a call whose answer got lost: it is answered as then.
-- replaced is the id of a dead letter just removed, or ''.
local fields = 13
local function admit(now, replaced)
  local out = {}
  for i = 3, #ARGV, fields do
    local e = {
      id = ARGV[i], order = ARGV[i + 1], key = ARGV[i + 2], expires = ARGV[i + 3], lane = ARGV[i + 4],
      labels = ARGV[i + 5], state = ARGV[i + 6], class = ARGV[i + 7], text = ARGV[i + 8], body = ARGV[i + 9],
      registers = ARGV[i + 10], digest = ARGV[i + 11], again = ARGV[i + 12],
    }
    local first = known(now, e.key)
    if e.registers ~= '' then
      first = unchanged(e.registers, e.digest)
      if e.again == '1' and first ~= e.id then first = nil end
    end
    if first == replaced then first = nil end
    if call('EXISTS', entry(e.id)) == 1 then first = e.id end
    if not first then insert(now, e) end
    out[#out + 1] = first or e.id
    out[#out + 1] = (first and first ~= e.id) and '1' or '0'
  end
  return out
end

-- held tells whether the lease token still holds its entry.
local function held(id, token)
  local e = call('HMGET', entry(id), 'token', 'state')
  return e[1] == token and e[2] == 'ready' and token ~= '0'
end
