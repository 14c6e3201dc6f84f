--- beat_run: say from the pod of a run that it lives, and ask whether it should
-- KEYS 1 base     str   "prefix:queue:"
-- ARGV 1 id       str
-- ARGV 2 number   int   the run's
-- ARGV 3 pod      str   the pod's name
-- ARGV 4 now      ms
-- ARGV 5 added    int   when the job was added, in ms, as the pod was told; empty: it was not
-- RETURNS         int   1: go on; 0: the job has ended, was cancelled or removed, or another run or pod has it
-- ERRORS          none
-- EVENTS          none
-- WRITES          <job>
-- COST            O(1)
-- RETRY           safe
-- FLAGS           allow-oom
--@include runs

local job_key = KEYS[1] .. ARGV[1]
if not is_wanted(job_key, tonumber(ARGV[2]), ARGV[3], ARGV[5]) then return 0 end
redis.call("HSET", job_key, "oxmq:pod", ARGV[3], "oxmq:heart", ARGV[4])
return 1
