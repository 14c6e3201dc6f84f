--- cancel: fail a job that has not begun, or ask the worker that runs it to stop
-- KEYS 1 base         str   "prefix:queue:"
-- ARGV 1 id           str
-- ARGV 2 reason       str   recorded as the reason of the failure
-- ARGV 3 now          ms
-- ARGV 4 keep_count   int   how many failed jobs to keep; -1: all; 0: not even this one
-- RETURNS             int   1: it has failed; 0: it is running, and whoever runs it or takes it next will fail it
-- ERRORS -1           no such job
-- ERRORS -3           it has ended already, or is in no container
-- ERRORS -8           the job is a scheduler's next iteration
-- EVENTS              failed, waiting, delayed, added
-- WRITES              every container of jobs that have not ended, failed, events, de, dn, <job>, and the parent's
-- COST                O(wait + active): a list must be searched
-- RETRY               never  a second time it is refused, as any job that has ended
--@include events
--@include family
--@include parents
--@include claims
--@include erase

local base, id, reason, now = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local job_key = base .. id
local job = redis.call("HMGET", job_key, "name", "rjk", "parentKey", "deid", "parent")
if not job[1] then return -1 end
if redis.call("ZSCORE", base .. "completed", id) or redis.call("ZSCORE", base .. "failed", id) then return -3 end
if redis.call("LPOS", base .. "active", id) then
  redis.call("HSET", job_key, "defa", reason, "cancelledOn", ARGV[3])
  return 0
end
if job[2] and redis.call("ZSCORE", base .. "repeat", job[2]) then
  local next_ms = redis.call("ZSCORE", base .. "repeat", job[2])
  if id == "repeat:" .. job[2] .. ":" .. string.format("%.0f", next_ms) then return -8 end
end

local previous = take_out(base, id, true)
if previous == "unknown" then return -3 end
local max = max_events(base)
redis.call("XTRIM", base .. "events", "MAXLEN", "~", max)
if job[4] then
  release_deduplication(base, job[4], id)
  add_parked(base, max, job[4], now)
end
if job[3] then child_failed(job[3], job[5], job_key, reason, now) end
if ARGV[4] == "0" then
  erase(base, { id })
  if job[3] then forget_child(job[3], job_key) end
else
  redis.call("HSET", job_key, "failedReason", reason, "finishedOn", ARGV[3])
  redis.call("HDEL", job_key, "defa", "cancelledOn")
  redis.call("ZADD", base .. "failed", now, id)
  sweep(base .. "failed", base, now, tonumber(ARGV[4]))
end
emit(base, "failed", "jobId", id, "failedReason", reason, "prev", previous == "wait" and "waiting" or previous)
return 1
