--- erase: remove jobs and everything recorded about them
--@include batches
--@include parents

local PARTS = { "", ":logs", ":dependencies", ":processed", ":failed", ":unsuccessful" }

local function erase(base, ids)
  local keys = {}
  for _, id in ipairs(ids) do
    for _, part in ipairs(PARTS) do keys[#keys + 1] = base .. id .. part end
  end
  delete_all(keys)
end

-- Removes finished jobs from their set, telling the parents that still wait for one of them.
local function drop_finished(base, set, ids)
  if #ids == 0 then return end
  for _, id in ipairs(ids) do
    local parent_key = redis.call("HGET", base .. id, "parentKey")
    if parent_key and redis.call("EXISTS", parent_key) == 1 then forget_child(parent_key, base .. id) end
  end
  erase(base, ids)
  call_with_all("ZREM", set, ids)
end

local SWEPT_AT_ONCE = 1000

-- Applies what is to be kept; what one call leaves over, the next finish removes.
local function sweep(set, base, now, count, age, limit)
  if age then
    local oldest = string.format("%.0f", now - age * 1000)
    drop_finished(base, set, redis.call("ZREVRANGEBYSCORE", set, oldest, "-inf", "LIMIT", 0, limit or SWEPT_AT_ONCE))
  end
  if count and count > 0 then
    local excess = math.min(redis.call("ZCARD", set) - count, SWEPT_AT_ONCE)
    if excess > 0 then drop_finished(base, set, redis.call("ZRANGE", set, 0, excess - 1)) end
  end
end
