--- family: remove a job, and its children with it
--@include events
--@include parents
--@include claims
--@include erase

-- How many jobs one call removes, and about how many children of each kind it looks at: a large family goes in pieces.
local AT_ONCE = 250
-- How many jobs one call asks whether they are locked, before it removes the first.
local ASKED = 1000

-- `seen` guards against relations that go in a circle, which only damaged data can have.
local function new_walk(which)
  return { which = which, seen = {}, left = AT_ONCE, asked = 0, locked = false, is_large = false }
end

-- In the order of their keys: a server gives the members of a set in any order, and one outcome is better than many.
local function pending_children(job_key)
  local set = job_key .. ":dependencies"
  local keys = redis.call("SCARD", set) <= AT_ONCE and redis.call("SMEMBERS", set)
    or redis.call("SRANDMEMBER", set, AT_ONCE)
  table.sort(keys)
  return keys
end

local function fields_of(hash)
  if redis.call("HLEN", hash) <= AT_ONCE then return redis.call("HKEYS", hash) end
  return redis.call("HRANDFIELD", hash, AT_ONCE)
end

local function children_of(job_key, which)
  local keys = pending_children(job_key)
  if which ~= "all" then return keys end
  for _, hash in ipairs({ job_key .. ":processed", job_key .. ":failed" }) do
    for _, child_key in ipairs(fields_of(hash)) do keys[#keys + 1] = child_key end
  end
  for _, child_key in ipairs(redis.call("ZRANGE", job_key .. ":unsuccessful", 0, AT_ONCE - 1)) do
    keys[#keys + 1] = child_key
  end
  return keys
end

-- Does a family take more than one call? It is counted no further than that; `counted` starts empty.
local function is_large(job_key, which, counted)
  if counted[job_key] then return false end
  counted[job_key], counted[1] = true, (counted[1] or 0) + 1
  local keys = children_of(job_key, which)
  if counted[1] + #keys > AT_ONCE then return true end
  for _, child_key in ipairs(keys) do
    if is_large(child_key, which, counted) then return true end
  end
  return false
end

-- Of a family that is too large to be asked about at once, those that are met on the way are asked.
local function is_locked(job_key, walk)
  walk.asked = walk.asked + 1
  if redis.call("EXISTS", job_key .. ":lock") == 1 then return true end
  if not walk.which or walk.seen[job_key] or walk.asked > ASKED then return false end
  walk.seen[job_key] = true
  for _, child_key in ipairs(pending_children(job_key)) do
    if is_locked(child_key, walk) then return true end
  end
  return false
end

-- Returns the container in which the id was. One without a job behind it may be in a list more than once.
local function take_out(base, id, has_job)
  for _, name in ipairs({ "completed", "waiting-children", "delayed", "failed", "prioritized" }) do
    if redis.call("ZREM", base .. name, id) == 1 then return name end
  end
  -- From the tail, where those are that wait longest: the children of one parent lie there in the order in which they
  -- are removed.
  for _, name in ipairs({ "wait", "paused", "active" }) do
    if redis.call("LREM", base .. name, has_job and -1 or 0, id) > 0 then
      redis.call("SREM", base .. "stalled", id)
      return name
    end
  end
  return "unknown"
end

local remove_job

-- A child that is gone is no longer counted, so that the next call comes to others.
local function remove_ended(job_key, walk)
  for _, hash in ipairs({ job_key .. ":processed", job_key .. ":failed" }) do
    for _, child_key in ipairs(fields_of(hash)) do
      if not remove_job(child_key, job_key, walk) then return false end
      redis.call("HDEL", hash, child_key)
    end
  end
  local set = job_key .. ":unsuccessful"
  for _, child_key in ipairs(redis.call("ZRANGE", set, 0, AT_ONCE - 1)) do
    if not remove_job(child_key, job_key, walk) then return false end
    redis.call("ZREM", set, child_key)
  end
  return true
end

local function remove_pending(job_key, walk)
  for _, child_key in ipairs(pending_children(job_key)) do
    if redis.call("EXISTS", child_key .. ":lock") == 1 then
      walk.locked = true
      return false
    end
    if not remove_job(child_key, job_key, walk) then return false end
    redis.call("SREM", job_key .. ":dependencies", child_key)
  end
  return true
end

local function has_more(job_key)
  return redis.call("EXISTS", job_key .. ":dependencies", job_key .. ":processed", job_key .. ":failed",
    job_key .. ":unsuccessful") > 0
end

-- Children that run, or have failed, stay.
local function remove_unprocessed(job_key, child_keys, walk)
  if #child_keys <= AT_ONCE then table.sort(child_keys) end
  for _, child_key in ipairs(child_keys) do
    local base, id = split_key(child_key)
    if base and redis.call("EXISTS", child_key .. ":lock") == 0 and not redis.call("ZSCORE", base .. "failed", id) then
      if not remove_job(child_key, job_key, walk) then return false end
    end
  end
  return true
end

local function remove_children(job_key, walk)
  if walk.which == "unprocessed" then
    -- All of them: those that stay must not hide others.
    return remove_unprocessed(job_key, redis.call("SMEMBERS", job_key .. ":dependencies"), walk)
  end
  return remove_ended(job_key, walk) and remove_pending(job_key, walk) and not has_more(job_key)
end

local function forget_parent(parent_key, job_key)
  if parent_key and redis.call("EXISTS", parent_key) == 1 then forget_child(parent_key, job_key) end
end

-- walk.which: nil for the job alone; "all" for its children too; "unprocessed" for those that have not begun. Returns
-- false when there is more to do than one call may; the job itself goes last. Of a large family its parent knows it
-- until then, since only from there the next call can come back to it.
local function remove_from(base, id, parent_key, walk)
  local job_key = base .. id
  if walk.seen[job_key] then return true end
  if walk.left <= 0 then return false end
  walk.seen[job_key] = true
  local job = redis.call("HMGET", job_key, "name", "parentKey", "deid")
  parent_key = parent_key or job[2]
  if not walk.is_large then forget_parent(parent_key, job_key) end
  if walk.which and not remove_children(job_key, walk) then return false end
  if walk.is_large then forget_parent(parent_key, job_key) end
  walk.left = walk.left - 1
  local previous = take_out(base, id, job[1])
  if job[3] then forget_deduplication(base, job[3], id) end
  erase(base, { id })
  if job[1] then emit_capped(base, max_events(base), "removed", "jobId", id, "prev", previous) end
  return true
end

remove_job = function(job_key, parent_key, walk)
  local base, id = split_key(job_key)
  -- What is no key of a job can only be damage; to stop at it would leave a half of the family removed.
  return not base or remove_from(base, id, parent_key, walk)
end
