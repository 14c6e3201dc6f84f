--- is_finished: tell whether a job has ended, and with what
-- KEYS 1 base   str   "prefix:queue:"
-- ARGV 1 id     str
-- RETURNS       list  0, the id of the newest event: not yet | 1, the result as JSON | 2, the failure reason
-- ERRORS -1     no such job
-- EVENTS        none
-- WRITES        none
-- COST          O(1)
-- RETRY         read
-- FLAGS         no-writes

local base, id = KEYS[1], ARGV[1]
local job = redis.call("HMGET", base .. id, "name", "returnvalue", "failedReason")
if not job[1] then return -1 end
if redis.call("ZSCORE", base .. "completed", id) then return { 1, job[2] or "null" } end
if redis.call("ZSCORE", base .. "failed", id) then return { 2, job[3] or "" } end
-- Whoever reads the events after this one does not miss the end.
local newest = redis.call("XREVRANGE", base .. "events", "+", "-", "COUNT", 1)[1]
return { 0, newest and newest[1] or "0-0" }
