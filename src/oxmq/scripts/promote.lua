--- promote: make a delayed job ready now
-- KEYS 1 base   str   "prefix:queue:"
-- ARGV 1 id     str
-- RETURNS       int   0
-- ERRORS -3     not delayed (or no such job)
-- EVENTS        waiting
-- WRITES        delayed, wait, prioritized, pc, marker, events, <job>
-- COST          O(log delayed)
-- RETRY         never  a second time it is refused, as any job that is not delayed
--@include events
--@include ready

local base, id = KEYS[1], ARGV[1]
if not redis.call("ZSCORE", base .. "delayed", id) then return -3 end
redis.call("ZREM", base .. "delayed", id)
make_ready(base, id, tonumber(redis.call("HGET", base .. id, "priority")) or 0, false)
wake(base)
emit(base, "waiting", "jobId", id, "prev", "delayed")
redis.call("HSET", base .. id, "delay", 0)
return 0
