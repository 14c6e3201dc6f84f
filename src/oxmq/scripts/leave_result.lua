--- leave_result: leave what became of a run where the worker that follows it finds it
-- KEYS 1 base     str   "prefix:queue:"
-- ARGV 1 id       str
-- ARGV 2 number   int   the run's
-- ARGV 3 pod      str   the pod's name
-- ARGV 4 left     json  see `Left`
-- ARGV 5 added    int   when the job was added, in ms, as the pod was told; empty: it was not
-- RETURNS         int   1: left; 0: nobody wants it, as `beat_run` says
-- ERRORS          none
-- EVENTS          none
-- WRITES          <job>
-- COST            O(1)
-- RETRY           safe
-- FLAGS           allow-oom
--@include runs

local job_key = KEYS[1] .. ARGV[1]
if not is_wanted(job_key, tonumber(ARGV[2]), ARGV[3], ARGV[5]) then return 0 end
redis.call("HSET", job_key, "oxmq:left", ARGV[4])
return 1
