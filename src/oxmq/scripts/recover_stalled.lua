--- recover_stalled: give back the jobs whose worker has let their lock run out
-- KEYS 1 base          str   "prefix:queue:"
-- ARGV 1 now           ms
-- ARGV 2 max_stalled   int   a job recovered more often than this is to be failed by whoever takes it next
-- ARGV 3 interval_ms   int   for how long this check stands for all workers' checks
-- RETURNS              list  ids of the jobs recovered
-- ERRORS               none
-- EVENTS               waiting, stalled
-- WRITES               stalled, stalled-check, active, wait, marker, events, <job>
-- COST                 O(active)
-- RETRY                safe
-- FLAGS                allow-oom
--@include batches
--@include events
--@include ready

local base = KEYS[1]
if not redis.call("SET", base .. "stalled-check", ARGV[1], "PX", ARGV[3], "NX") then return {} end
trim_events(base)

-- A scheduler's jobs are never failed for stalling: that would end the schedule.
local function is_scheduled(scheduler)
  return scheduler and (redis.call("EXISTS", base .. "repeat:" .. scheduler) == 1
    or redis.call("ZSCORE", base .. "repeat", scheduler))
end

local function recover(id)
  local job_key = base .. id
  local times = redis.call("HINCRBY", job_key, "stc", 1)
  if times > tonumber(ARGV[2]) then
    local job = redis.call("HMGET", job_key, "rjk", "cancelledOn", "oxmq:run")
    -- A cancelled job is to be failed already, for the reason that was given. One that runs in a pod outlives its
    -- workers: whoever takes it next follows the pod on.
    if not is_scheduled(job[1]) and not job[2] and not job[3] then
      redis.call("HSET", job_key, "defa", "job stalled more than allowable limit")
    end
  end
  redis.call("RPUSH", base .. "wait", id)
  emit(base, "waiting", "jobId", id, "prev", "active")
  emit(base, "stalled", "jobId", id)
end

local recovered = {}
local suspects = redis.call("SMEMBERS", base .. "stalled")
if #suspects > 0 then redis.call("DEL", base .. "stalled") end
for _, id in ipairs(suspects) do
  if redis.call("EXISTS", base .. id .. ":lock") == 0 and redis.call("LREM", base .. "active", 1, id) > 0 then
    -- Whatever has no job behind it (a peer's old marker, a deleted hash) is only taken off the list.
    if redis.call("EXISTS", base .. id) == 1 then
      recover(id)
      recovered[#recovered + 1] = id
    end
  end
end
if #recovered > 0 then wake(base) end

call_with_all("SADD", base .. "stalled", redis.call("LRANGE", base .. "active", 0, -1))
return recovered
