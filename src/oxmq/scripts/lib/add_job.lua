--- add_job: add one job that has relations: a parent, children, a deduplication id
--@include new_jobs
--@include parents
--@include deduplication

-- relations, as the client writes them in JSON: parentKey and parent (the child's own record of it, as text), de (the
-- deduplication options), children (true: the job waits for children that come with it).

local function belongs_elsewhere(base, id, relations)
  if not relations.parentKey then return false end
  local old = redis.call("HGET", base .. id, "parentKey")
  return old and old ~= relations.parentKey and redis.call("EXISTS", old) == 1
end

local function tell_parents(ended)
  for _, child in ipairs(ended) do
    if child.reason then
      child_failed(child.parent_key, child.relation, child.child_key, child.reason, child.now)
    else
      release_if_complete(child.parent_key, child.now)
    end
  end
end

-- A job of that id exists: it becomes a child of the parent given now, if there is one. A child that has ended already
-- is noted in `ended`, where that is given, for its parent to be told once all of its children are in; else it is told.
local function attach_existing(base, max, job, relations, ended)
  local parent_key, child_key = relations.parentKey, base .. job.id
  if parent_key then
    local is_done = redis.call("ZSCORE", base .. "completed", job.id)
    local kept = redis.call("HMGET", child_key, "returnvalue", "failedReason")
    if is_done then
      redis.call("HSET", parent_key .. ":processed", child_key, kept[1] or "null")
    else
      redis.call("SADD", parent_key .. ":dependencies", child_key)
    end
    redis.call("HSET", child_key, "parentKey", parent_key, "parent", relations.parent)
    if is_done or redis.call("ZSCORE", base .. "failed", job.id) then
      local child = { parent_key = parent_key, child_key = child_key, relation = relations.parent,
        reason = not is_done and (kept[2] or "") or nil, now = job.timestamp }
      if ended then ended[#ended + 1] = child else tell_parents({ child }) end
    end
  end
  emit_capped(base, max, "duplicated", "jobId", job.id)
end

-- Returns the id of the job, or of the one that stands in for it.
local function add_job(base, max, job, relations, ended)
  if redis.call("EXISTS", base .. job.id) == 1 then
    attach_existing(base, max, job, relations, ended)
    return job.id
  end
  job.parent_key, job.parent = relations.parentKey, relations.parent
  if relations.de then
    local owner = deduplicate(base, max, relations.de, job)
    if owner then return owner end
    job.deduplication_id = relations.de.id
  end
  store_job(base, job)
  if relations.children then
    redis.call("ZADD", base .. "waiting-children", string.format("%.0f", job.timestamp), job.id)
    emit_capped(base, max, "waiting-children", "jobId", job.id)
  else
    enqueue_new(base, max, job)
  end
  if job.parent_key then redis.call("SADD", job.parent_key .. ":dependencies", base .. job.id) end
  return job.id
end
