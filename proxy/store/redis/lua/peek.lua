-- ARGV: now, max, how many newest first. Answers what a claim would choose
-- from, four values for each lane: 'old' or 'new', its name, since when it
-- waits (us) and the seq of its head.
local now, max, newest = tonumber(us(ARGV[1])), tonumber(ARGV[2]), tonumber(ARGV[3])
local out = {}
local function add(kind, name, due, seq)
  for _, v in ipairs({kind, name, due, seq}) do out[#out + 1] = v end
end
local found = 0
for first = 0, 900, 100 do
  if found >= newest then break end
  local heads = call('ZREVRANGE', P .. 'heads', first, first + 99, 'WITHSCORES')
  for i = 1, #heads, 2 do
    local due = call('ZSCORE', P .. 'due', heads[i])
    if found < newest and tonumber(due) <= now then
      add('new', heads[i], due, heads[i + 1])
      found = found + 1
    end
  end
end
local waiting = call('ZRANGE', P .. 'due', '-inf', us(ARGV[1]), 'BYSCORE', 'LIMIT', 0, max, 'WITHSCORES')
for i = 1, #waiting, 2 do
  add('old', waiting[i], waiting[i + 1], call('ZSCORE', P .. 'heads', waiting[i]))
end
return out
