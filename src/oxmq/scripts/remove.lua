--- remove: take a job out of its queue, with everything recorded about it
-- KEYS 1 base   str   "prefix:queue:"
-- ARGV 1 id     str
-- RETURNS       int   1, also where there was no such job; 0 when a worker holds its lock
-- ERRORS -8     the job is a scheduler's next iteration
-- EVENTS        removed
-- WRITES        every container, stalled, events, de, <job> and its parts, the parent's
-- COST          O(wait + active) in the worst case: a list must be searched
-- RETRY         safe
--@include events
--@include erase

local base, id = KEYS[1], ARGV[1]
local job_key = base .. id
local job = redis.call("HMGET", job_key, "rjk", "parentKey", "deid")
if job[1] then
  local next_ms = redis.call("ZSCORE", base .. "repeat", job[1])
  if next_ms and id == "repeat:" .. job[1] .. ":" .. string.format("%.0f", next_ms) then return -8 end
end
if redis.call("EXISTS", job_key .. ":lock") == 1 then return 0 end

if job[2] and redis.call("EXISTS", job[2]) == 1 then forget_child(job[2], job_key) end

local function take_out()
  for _, name in ipairs({ "completed", "waiting-children", "delayed", "failed", "prioritized" }) do
    if redis.call("ZREM", base .. name, id) == 1 then return name end
  end
  redis.call("SREM", base .. "stalled", id)
  for _, name in ipairs({ "wait", "paused", "active" }) do
    if redis.call("LREM", base .. name, 0, id) > 0 then return name end
  end
  return "unknown"
end

local previous = take_out()
if job[3] and redis.call("GET", base .. "de:" .. job[3]) == id then
  redis.call("DEL", base .. "de:" .. job[3], base .. "dn:" .. job[3])
end
local existed = redis.call("EXISTS", job_key) == 1
erase(base, { id })
if existed then emit_capped(base, max_events(base), "removed", "jobId", id, "prev", previous) end
return 1
