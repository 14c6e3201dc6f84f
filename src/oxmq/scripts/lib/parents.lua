--- parents: tell a parent, in whatever queue, what became of its child
--@include events
--@include ready
--@include delayed

-- Prefixes can have colons, and so can ids (a scheduler's jobs have): then the queue that is there decides.
local function split_key(job_key)
  local base, id = string.match(job_key, "^(.*:)([^:]+)$")
  local shorter = base and string.match(base, ":[^:]*:.") and base
  while shorter do
    if redis.call("EXISTS", shorter .. "meta") == 1 then return shorter, string.sub(job_key, #shorter + 1) end
    shorter = string.match(shorter, "^(.*:)[^:]*:$")
  end
  return base, id
end

-- Moves a parent that waits for children to where it may run; `now` is when its last child ended.
local function enqueue_parent(base, id, now)
  local fields = redis.call("HMGET", base .. id, "priority", "delay")
  local priority, delay = tonumber(fields[1]) or 0, tonumber(fields[2]) or 0
  note_due(base, id, now + delay)
  if delay > 0 then
    redis.call("ZADD", base .. "delayed", string.format("%.0f", (now + delay) * SEQUENCES), id)
    emit(base, "delayed", "jobId", id, "delay", string.format("%.0f", now + delay))
    mark_next_due(base)
  else
    make_ready(base, id, priority, true)
    wake(base)
    emit(base, "waiting", "jobId", id, "prev", "waiting-children")
  end
end

local function release_parent(parent_key, now)
  local base, id = split_key(parent_key)
  if redis.call("EXISTS", parent_key) == 1 and redis.call("ZREM", base .. "waiting-children", id) == 1 then
    enqueue_parent(base, id, now)
  end
end

local function release_if_complete(parent_key, now)
  if redis.call("SCARD", parent_key .. ":dependencies") == 0 then release_parent(parent_key, now) end
end

local function child_completed(parent_key, child_key, value, now)
  if redis.call("SREM", parent_key .. ":dependencies", child_key) == 1 then
    redis.call("HSET", parent_key .. ":processed", child_key, value)
    release_if_complete(parent_key, now)
  end
end

-- The parent will be fetched and then failed with this reason, by whichever worker gets it.
local function fail_parent(parent_key, child_key, now)
  redis.call("ZADD", parent_key .. ":unsuccessful", now, child_key)
  if redis.call("EXISTS", parent_key) == 0 then return end
  local base, id = split_key(parent_key)
  if redis.call("ZSCORE", base .. "failed", id) then return end
  -- One that was cancelled is to be failed already, for the reason that was given.
  if redis.call("HEXISTS", parent_key, "cancelledOn") == 0 then
    redis.call("HSET", parent_key, "defa", "child " .. child_key .. " failed")
  end
  if redis.call("ZREM", base .. "waiting-children", id) == 1 then
    enqueue_parent(base, id, now)
  elseif redis.call("ZREM", base .. "delayed", id) == 1 then
    redis.call("HSET", parent_key, "delay", 0)
    enqueue_parent(base, id, now)
  end
end

-- `relation` is the child's own record of its parent, with the failure policy in it. One that cannot be read has none:
-- an error here would leave the call half done.
local function read_policy(relation)
  local is_json, policy = pcall(cjson.decode, relation or "{}")
  return is_json and type(policy) == "table" and policy or {}
end

local function child_failed(parent_key, relation, child_key, reason, now)
  local policy = read_policy(relation)
  if not (policy.fpof or policy.cpof or policy.idof or policy.rdof) then return end
  if redis.call("SREM", parent_key .. ":dependencies", child_key) == 0 then return end
  if policy.fpof then
    fail_parent(parent_key, child_key, now)
  elseif policy.cpof then
    redis.call("HSET", parent_key .. ":failed", child_key, reason)
    release_parent(parent_key, now)
  else
    release_if_complete(parent_key, now)
    if policy.idof then redis.call("HSET", parent_key .. ":failed", child_key, reason) end
  end
end

-- Takes a child that goes away off its parent's list. Returns the parent, when it had waited for that child alone and
-- no longer stands among those that wait.
local function last_child_gone(parent_key, child_key)
  if redis.call("SREM", parent_key .. ":dependencies", child_key) == 0 then return nil end
  if redis.call("SCARD", parent_key .. ":dependencies") > 0 then return nil end
  local base, id = split_key(parent_key)
  if redis.call("ZREM", base .. "waiting-children", id) == 0 then return nil end
  return base, id
end

-- A child that goes away no longer holds up its parent.
local function forget_child(parent_key, child_key)
  local base, id = last_child_gone(parent_key, child_key)
  if not id then return end
  redis.call("RPUSH", base .. "wait", id)
  wake(base)
  emit(base, "waiting", "jobId", id, "prev", "waiting-children")
end

-- The parent counts again on a child that is to run again, if its end had been counted.
local function restore_child(parent_key, child_key, state)
  if redis.call("EXISTS", parent_key) == 0 then return end
  local counted
  if state == "completed" then
    counted = redis.call("HDEL", parent_key .. ":processed", child_key)
  else
    counted = redis.call("ZREM", parent_key .. ":unsuccessful", child_key)
      + redis.call("HDEL", parent_key .. ":failed", child_key)
  end
  if counted > 0 then redis.call("SADD", parent_key .. ":dependencies", child_key) end
end
