--- retry: run a finished job again
-- KEYS 1 base            str   "prefix:queue:"
-- ARGV 1 id              str
-- ARGV 2 state           str   completed | failed: where it must be
-- ARGV 3 next_up         str   "1": runs next
-- ARGV 4 reset_made      str   "1": forget the attempts made
-- ARGV 5 reset_started   str   "1": forget the attempts started
-- RETURNS                int   1
-- ERRORS -1              no such job
-- ERRORS -3              not in that state
-- EVENTS                 waiting
-- WRITES                 completed, failed, wait, prioritized, pc, marker, events, <job>, the parent's :dependencies, :processed, :failed, :unsuccessful
-- COST                   O(log finished)
-- RETRY                  never  a second time it is refused, as any job that is not in that state
--@include events
--@include ready
--@include parents
--@include runs

local base, id, state = KEYS[1], ARGV[1], ARGV[2]
local job_key = base .. id
local job = redis.call("HMGET", job_key, "name", "priority", "parentKey", "oxmq:run")
if not job[1] then return -1 end
if redis.call("ZREM", base .. state, id) == 0 then return -3 end

-- A job that completed before its cancellation reached it still says that it is to be failed.
local forgotten = { "finishedOn", "processedOn", "defa", "cancelledOn", state == "failed" and "failedReason" or "returnvalue" }
if ARGV[4] == "1" then forgotten[#forgotten + 1] = "atm" end
if ARGV[5] == "1" then forgotten[#forgotten + 1] = "ats" end
redis.call("HDEL", job_key, unpack(forgotten))
end_noted_run(job_key, job[4])

make_ready(base, id, tonumber(job[2]) or 0, ARGV[3] == "1")
wake(base)
if job[3] then restore_child(job[3], job_key, state) end
emit_capped(base, max_events(base), "waiting", "jobId", id, "prev", state)
return 1
