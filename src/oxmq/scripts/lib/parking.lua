--- parking: let an active job wait for its children
--@include events

local function is_pending(job_key, child_key)
  if child_key ~= "" then return redis.call("SISMEMBER", job_key .. ":dependencies", child_key) == 1 end
  return redis.call("SCARD", job_key .. ":dependencies") > 0
end

-- Returns 0 when the job is parked, 1 when there is nothing to wait for, else a code; only the first changes anything.
local function park_for_children(base, id, token, now, child_key)
  local job_key = base .. id
  if redis.call("EXISTS", job_key) == 0 then return -1 end
  if redis.call("ZCARD", job_key .. ":unsuccessful") > 0 then return -9 end
  if not is_pending(job_key, child_key) then return 1 end
  if token ~= "0" then
    local lock = redis.call("GET", job_key .. ":lock")
    if not lock then return -2 end
    if lock ~= token then return -6 end
  end
  if redis.call("LREM", base .. "active", -1, id) == 0 then return -3 end
  if token ~= "0" then
    redis.call("DEL", job_key .. ":lock")
    redis.call("SREM", base .. "stalled", id)
  end
  redis.call("ZADD", base .. "waiting-children", now, id)
  emit(base, "waiting-children", "jobId", id, "prev", "active")
  return 0
end
