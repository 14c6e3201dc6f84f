--- requeue: make the oldest of the finished jobs, or the first of the delayed ones, ready again
-- KEYS 1 base    str   "prefix:queue:"
-- ARGV 1 state   str   failed, completed, delayed
-- ARGV 2 upto    str   the highest score of those that count, or "+inf"
-- ARGV 3 count   int   at most this many (at most 1,000)
-- RETURNS        list  how many left the state, and how many of those that count are left in it
-- ERRORS         none
-- EVENTS         waiting
-- WRITES         the state's set, wait, marker, meta, events, <job>, the parent's :dependencies, :processed, :failed, :unsuccessful
-- COST           O(count x log state)
-- RETRY          safe
--@include batches
--@include events
--@include ready
--@include parents
--@include runs

local base, state, upto = KEYS[1], ARGV[1], ARGV[2]
local set = base .. state
local ids = redis.call("ZRANGEBYSCORE", set, "-inf", upto, "LIMIT", 0, ARGV[3])
if #ids == 0 then return { 0, 0 } end
local forgotten = state == "failed" and "failedReason" or "returnvalue"
local max, ready = max_events(base), {}

local function run_again(id)
  local job_key = base .. id
  local job = redis.call("HMGET", job_key, "name", "parentKey", "oxmq:run")
  -- An id without a job behind it is only taken off the set.
  if not job[1] then return end
  if state ~= "delayed" then
    redis.call("HDEL", job_key, "finishedOn", "processedOn", "defa", "cancelledOn", forgotten)
    end_noted_run(job_key, job[3])
    if job[2] then restore_child(job[2], job_key, state) end
  end
  emit_capped(base, max, "waiting", "jobId", id, "prev", state)
  ready[#ready + 1] = id
end

for _, id in ipairs(ids) do run_again(id) end
call_with_all("ZREM", set, ids)
call_with_all("LPUSH", base .. "wait", ready)
if #ready > 0 then wake(base) end
return { #ids, redis.call("ZCOUNT", set, "-inf", upto) }
