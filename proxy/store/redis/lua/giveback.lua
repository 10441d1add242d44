-- ARGV: token, keys... Ends the reservations that are still the token's.
for i = 2, #ARGV do
  if call('GET', name(ARGV[i])) == 'R:' .. ARGV[1] then call('DEL', name(ARGV[i])) end
end
return {}
