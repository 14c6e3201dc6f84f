--- change_priority: give a job another priority, and its place by it if it is ready
-- KEYS 1 base       str   "prefix:queue:"
-- ARGV 1 id         str
-- ARGV 2 priority   int   0: none
-- ARGV 3 next_up    str   "1": before the others of its priority
-- RETURNS           int   0
-- ERRORS -1         no such job
-- EVENTS            none
-- WRITES            wait, paused, prioritized, pc, marker, <job>
-- COST              O(log prioritized); O(wait) for a job without priority
-- RETRY             safe
--@include ready

local base, id, priority, next_up = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3] == "1"
if redis.call("EXISTS", base .. id) == 0 then return -1 end

-- The lists may be long: they are searched only for a job that is nowhere else.
local function is_elsewhere()
  for _, name in ipairs({ "delayed", "completed", "failed", "waiting-children" }) do
    if redis.call("ZSCORE", base .. name, id) then return true end
  end
  return redis.call("LPOS", base .. "active", id)
end

local function leave_its_place()
  if redis.call("ZREM", base .. "prioritized", id) == 1 then return true end
  if is_elsewhere() then return false end
  return redis.call("LREM", base .. "wait", -1, id) > 0 or redis.call("LREM", base .. "paused", -1, id) > 0
end

if leave_its_place() then
  if priority > 0 and next_up then
    -- The place that no counted arrival can have. Nobody needs waking: the job was ready before.
    redis.call("ZADD", base .. "prioritized", string.format("%.0f", priority * PRIORITY_STEP), id)
  else
    make_ready(base, id, priority, next_up)
    wake(base)
  end
end
redis.call("HSET", base .. id, "priority", ARGV[2])
return 0
