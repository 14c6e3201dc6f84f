--- end_run: note that nothing more is wanted of a run, and drop what its pod left
-- KEYS 1 base     str   "prefix:queue:"
-- ARGV 1 id       str
-- ARGV 2 number   int   the run's
-- ARGV 3 run      json  the run, over
-- RETURNS         int   1: noted; 0: the job is gone, or another run is noted on it
-- ERRORS          none
-- EVENTS          none
-- WRITES          <job>
-- COST            O(1)
-- RETRY           safe
-- FLAGS           allow-oom
--@include runs

local job_key = KEYS[1] .. ARGV[1]
local run = read_run(redis.call("HGET", job_key, "oxmq:run"))
if not run or run["number"] ~= tonumber(ARGV[2]) then return 0 end
redis.call("HSET", job_key, "oxmq:run", ARGV[3])
redis.call("HDEL", job_key, "oxmq:left", "oxmq:heart", "oxmq:pod")
return 1
