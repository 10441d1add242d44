-- ARGV: now. Answers six values; the oldest admission is '' if there is none.
local bytes = call('HMGET', P .. 'bytes', 'ready', 'dead')
local head = call('ZRANGE', P .. 'ready', 0, 0)[1]
return {
  tostring(call('ZCARD', P .. 'ready')), bytes[1] or '0', head and call('HGET', entry(head), 'admitted') or '',
  tostring(call('ZCARD', P .. 'dead')), bytes[2] or '0',
  tostring(call('ZCOUNT', P .. 'expiry', '(' .. us(ARGV[1]), '+inf')),
}
