--- update_progress: note how far a job has come
-- KEYS 1 base       str   "prefix:queue:"
-- ARGV 1 id         str
-- ARGV 2 progress   json
-- RETURNS           int   0
-- ERRORS -1         no such job
-- EVENTS            progress
-- WRITES            meta, events, <job>
-- COST              O(1)
-- RETRY             safe  repeating it writes the event again
--@include events

local base, id = KEYS[1], ARGV[1]
if redis.call("EXISTS", base .. id) == 0 then return -1 end
redis.call("HSET", base .. id, "progress", ARGV[2])
emit_capped(base, max_events(base), "progress", "jobId", id, "data", ARGV[2])
return 0
