--- get_counts: count the jobs in containers, all at one moment
-- KEYS 1 base         str   "prefix:queue:"
-- ARGV 1.. containers list  wait, paused, active: lists; any other: a sorted set
-- RETURNS             list  the count of each, in the order given
-- ERRORS              none
-- EVENTS              none
-- WRITES              none
-- COST                O(containers)
-- RETRY               read
-- FLAGS               no-writes

local LISTS = { wait = true, paused = true, active = true }
local counts = {}
for i, name in ipairs(ARGV) do
  counts[i] = redis.call(LISTS[name] and "LLEN" or "ZCARD", KEYS[1] .. name)
end
return counts
