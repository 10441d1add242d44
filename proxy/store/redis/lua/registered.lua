-- ARGV: keys of registrations. Answers four values for each: when it was
-- accepted last and the id, the oldest entry that waits and its admission.
local out = {}
for _, ref in ipairs(ARGV) do
  local accepted = call('HGET', P .. 'accepted', ref)
  local id = call('ZRANGE', versions(ref), 0, 0)[1]
  out[#out + 1] = accepted and string.sub(accepted, 1, 19) or ''
  out[#out + 1] = accepted and string.sub(accepted, 36) or ''
  out[#out + 1] = id or ''
  out[#out + 1] = id and call('HGET', entry(id), 'admitted') or ''
end
return out
