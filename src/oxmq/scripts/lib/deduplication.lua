--- deduplication: keep jobs of one deduplication id from being in a queue twice
--@include events
--@include claims
--@include parents
--@include erase

local function tell_deduplicated(base, max, options, survivor, other)
  emit_capped(base, max, "deduplicated", "jobId", survivor, "deduplicationId", options.id, "deduplicatedJobId", other)
end

local function park(base, max, options, owner, job)
  local key = parked_key(base, options.id)
  redis.call("DEL", key)
  redis.call("HSET", key, "name", job.name, "data", job.data, "opts", job.opts, "jid", job.id)
  if job.parent_key then
    redis.call("HSET", key, "pk", job.parent_key, "pd", job.parent, "pdk", job.parent_key .. ":dependencies")
  end
  redis.call("PERSIST", owner_key(base, options.id))
  tell_deduplicated(base, max, options, owner, job.id)
end

local function is_active(base, id)
  return redis.call("LPOS", base .. "active", id)
end

-- The new job takes the place of one that has not begun.
local function replace(base, max, options, owner, id)
  redis.call("ZREM", base .. "delayed", owner)
  -- It may have been made a child after it was added.
  local parent_key = redis.call("HGET", base .. owner, "parentKey")
  if parent_key and redis.call("EXISTS", parent_key) == 1 then forget_child(parent_key, base .. owner) end
  erase(base, { owner })
  emit(base, "removed", "jobId", owner, "prev", "delayed")
  tell_deduplicated(base, max, options, id, owner)
  redis.call("DEL", parked_key(base, options.id))
  if (tonumber(options.ttl) or 0) > 0 and not options.extend and not options.keepLastIfActive then
    redis.call("SET", owner_key(base, options.id), id, "KEEPTTL")
  else
    claim(base, options, id)
  end
end

local function drop_new(base, max, options, owner, job)
  if options.extend and (tonumber(options.ttl) or 0) > 0 then claim(base, options, owner) end
  tell_deduplicated(base, max, options, owner, job.id)
  if options.reschedule and redis.call("ZSCORE", base .. "delayed", owner) then
    redis.call("HSET", base .. owner, "delay", string.format("%.0f", job.delay))
    note_due(base, owner, job.timestamp + job.delay)
    delay_job(base, max, owner, job.timestamp + job.delay)
  end
end

-- Nobody would ever free a claim without expiry whose owner is gone.
local function is_stale(base, options, owner)
  return redis.call("PTTL", owner_key(base, options.id)) == -1 and redis.call("EXISTS", base .. owner) == 0
end

-- Returns the id of the job that stands in for the new one; nil when the new one is to be added.
local function deduplicate(base, max, options, job)
  local owner = redis.call("GET", owner_key(base, options.id))
  if owner and options.replace and redis.call("ZSCORE", base .. "delayed", owner) then
    replace(base, max, options, owner, job.id)
    return nil
  end
  if not owner or is_stale(base, options, owner) then
    if owner then redis.call("DEL", parked_key(base, options.id)) end
    claim(base, options, job.id)
    return nil
  end
  if options.keepLastIfActive and is_active(base, owner) then
    park(base, max, options, owner, job)
  elseif not options.replace then
    drop_new(base, max, options, owner, job)
  end
  return owner
end

