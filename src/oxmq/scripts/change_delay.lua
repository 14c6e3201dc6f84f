--- change_delay: let a delayed job wait for another time from now on
-- KEYS 1 base    str   "prefix:queue:"
-- ARGV 1 id      str
-- ARGV 2 now     ms
-- ARGV 3 delay   ms
-- RETURNS        int   0
-- ERRORS -1      no such job
-- ERRORS -3      not delayed
-- EVENTS         delayed
-- WRITES         delayed, marker, meta, events, <job>
-- COST           O(log delayed)
-- RETRY          safe  repeating it writes the event again
--@include events
--@include delayed

local base, id, delay = KEYS[1], ARGV[1], tonumber(ARGV[3])
if redis.call("EXISTS", base .. id) == 0 then return -1 end
if not redis.call("ZSCORE", base .. "delayed", id) then return -3 end
local due = tonumber(ARGV[2]) + delay
hold_back(base, id, due)
redis.call("HSET", base .. id, "delay", ARGV[3])
note_due(base, id, due)
emit_capped(base, max_events(base), "delayed", "jobId", id, "delay", string.format("%.0f", due))
mark_next_due(base)
return 0
