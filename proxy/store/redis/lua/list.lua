-- ARGV: seq to begin behind, max, then the sets to read. Answers id, seq and
-- nine fields of each entry, in order of admission.
local ids = {}
for i = 3, #ARGV do
  local got = call('ZRANGE', P .. ARGV[i], '(' .. ARGV[1], '+inf', 'BYSCORE', 'LIMIT', 0, ARGV[2], 'WITHSCORES')
  for j = 1, #got, 2 do
    ids[#ids + 1] = {id = got[j], seq = got[j + 1]}
  end
end
table.sort(ids, function(a, b) return tonumber(a.seq) < tonumber(b.seq) end)
local out = {}
for i = 1, math.min(#ids, tonumber(ARGV[2])) do
  out[#out + 1] = ids[i].id
  out[#out + 1] = ids[i].seq
  for _, v in ipairs(call('HMGET', entry(ids[i].id), 'state', 'lane', 'labels', 'class', 'text',
    'attempts', 'admitted', 'due', 'size')) do
    out[#out + 1] = v
  end
end
return out
