--- family: remove a job, and its children with it
--@include events
--@include parents
--@include deduplication
--@include erase

-- `seen` guards against relations that go in a circle, which only damaged data can have.
local function is_locked(job_key, with_children, seen)
  if redis.call("EXISTS", job_key .. ":lock") == 1 then return true end
  if not with_children or seen[job_key] then return false end
  seen[job_key] = true
  for _, child_key in ipairs(redis.call("SMEMBERS", job_key .. ":dependencies")) do
    if is_locked(child_key, true, seen) then return true end
  end
  return false
end

local function take_out(base, id)
  for _, name in ipairs({ "completed", "waiting-children", "delayed", "failed", "prioritized" }) do
    if redis.call("ZREM", base .. name, id) == 1 then return name end
  end
  for _, name in ipairs({ "wait", "paused", "active" }) do
    if redis.call("LREM", base .. name, 0, id) > 0 then
      redis.call("SREM", base .. "stalled", id)
      return name
    end
  end
  return "unknown"
end

local function ended_children(job_key)
  local keys = redis.call("HKEYS", job_key .. ":processed")
  for _, child_key in ipairs(redis.call("HKEYS", job_key .. ":failed")) do keys[#keys + 1] = child_key end
  for _, child_key in ipairs(redis.call("ZRANGE", job_key .. ":unsuccessful", 0, -1)) do keys[#keys + 1] = child_key end
  return keys
end

-- In the order of their keys: a server gives the members of a set in any order, and one outcome is better than many.
local function pending_children(job_key)
  local keys = redis.call("SMEMBERS", job_key .. ":dependencies")
  table.sort(keys)
  return keys
end

local remove_job

-- Children that run, or have failed, stay.
local function remove_unprocessed(job_key, seen)
  for _, child_key in ipairs(pending_children(job_key)) do
    local base, id = split_key(child_key)
    if base and redis.call("EXISTS", child_key .. ":lock") == 0 and not redis.call("ZSCORE", base .. "failed", id) then
      remove_job(child_key, job_key, "unprocessed", seen)
    end
  end
end

local function remove_children(job_key, which, seen)
  if which == "unprocessed" then return remove_unprocessed(job_key, seen) end
  for _, child_key in ipairs(ended_children(job_key)) do remove_job(child_key, job_key, which, seen) end
  for _, child_key in ipairs(pending_children(job_key)) do
    remove_job(child_key, job_key, which, seen)
  end
end

-- which: nil for the job alone; "all" for its children too; "unprocessed" for those that have not begun.
local function remove_from(base, id, parent_key, which, seen)
  local job_key = base .. id
  if seen[job_key] then return end
  seen[job_key] = true
  local job = redis.call("HMGET", job_key, "name", "parentKey", "deid")
  parent_key = parent_key or job[2]
  if parent_key and redis.call("EXISTS", parent_key) == 1 then forget_child(parent_key, job_key) end
  if which then remove_children(job_key, which, seen) end
  local previous = take_out(base, id)
  if job[3] then forget_deduplication(base, job[3], id) end
  erase(base, { id })
  if job[1] then emit_capped(base, max_events(base), "removed", "jobId", id, "prev", previous) end
end

remove_job = function(job_key, parent_key, which, seen)
  local base, id = split_key(job_key)
  -- What is no key of a job can only be damage; to stop at it would leave a half of the family removed.
  if base then remove_from(base, id, parent_key, which, seen) end
end
