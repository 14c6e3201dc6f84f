--- note_run: note on a job in which pod its attempt runs, before and after the pod is asked for
-- KEYS 1 base    str   "prefix:queue:"
-- ARGV 1 id      str
-- ARGV 2 token   str   under which the job is locked
-- ARGV 3 run     json  the run: see `RemoteRun`
-- ARGV 4 fresh   str   "1" when it is another run than the one noted before: what that one left is dropped
-- RETURNS        int   0
-- ERRORS -1      no such job
-- ERRORS -2      the job is not locked
-- ERRORS -6      it is locked by somebody else
-- EVENTS         none
-- WRITES         <job>
-- COST           O(1)
-- RETRY          safe
-- FLAGS          allow-oom

local base, id = KEYS[1], ARGV[1]
local job_key = base .. id
if redis.call("EXISTS", job_key) == 0 then return -1 end
local holder = redis.call("GET", job_key .. ":lock")
if not holder then return -2 end
if holder ~= ARGV[2] then return -6 end
redis.call("HSET", job_key, "oxmq:run", ARGV[3])
if ARGV[4] == "1" then redis.call("HDEL", job_key, "oxmq:left", "oxmq:heart", "oxmq:pod") end
return 0
