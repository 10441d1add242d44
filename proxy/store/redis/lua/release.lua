-- ARGV: id, token, id, token... Ends these leases as if they had never been.
for i = 1, #ARGV, 2 do
  if held(ARGV[i], ARGV[i + 1]) then
    call('HSET', entry(ARGV[i]), 'token', 0, 'until', '')
    wake('0', call('HGET', entry(ARGV[i]), 'lane'))
  end
end
return 1
