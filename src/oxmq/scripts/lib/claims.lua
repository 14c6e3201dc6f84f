--- claims: know which job owns a deduplication id, and let the one that was parked behind it take its turn
--@include events
--@include new_jobs

local function owner_key(base, deduplication_id)
  return base .. "de:" .. deduplication_id
end

-- Where the newest of the jobs waits that came while the owner was running (`keepLastIfActive`).
local function parked_key(base, deduplication_id)
  return base .. "dn:" .. deduplication_id
end

-- A key without expiry lives as long as its owner; one with an expiry (a throttle) outlives it.
local function release_deduplication(base, deduplication_id, id)
  local key = owner_key(base, deduplication_id)
  local ttl = redis.call("PTTL", key)
  if ttl == 0 or (ttl == -1 and redis.call("GET", key) == id) then redis.call("DEL", key) end
end

-- What a job that is removed had claimed is free again.
local function forget_deduplication(base, deduplication_id, id)
  local key = owner_key(base, deduplication_id)
  if redis.call("GET", key) == id then redis.call("DEL", key, parked_key(base, deduplication_id)) end
end

local function claim(base, options, id)
  local ttl = tonumber(options.ttl) or 0
  if ttl > 0 and not options.keepLastIfActive then
    redis.call("SET", owner_key(base, options.id), id, "PX", string.format("%.0f", ttl))
  else
    redis.call("SET", owner_key(base, options.id), id)
  end
end

-- The job that was parked while the owner ran takes its turn.
local function add_parked(base, max, deduplication_id, now)
  local key = parked_key(base, deduplication_id)
  local parked = redis.call("HMGET", key, "name", "data", "opts", "jid", "pk", "pd", "pdk", "rjk")
  if not parked[1] then return end
  local counter = redis.call("INCR", base .. "id")
  local options = cjson.decode(parked[3])
  local id = parked[4] or string.format("%.0f", counter)
  redis.call("DEL", key)
  if redis.call("EXISTS", base .. id) == 1 then return end
  claim(base, options.de or { id = deduplication_id }, id)
  local job = { id = id, name = parked[1], data = parked[2], opts = parked[3], timestamp = now,
    delay = tonumber(options.delay) or 0, priority = tonumber(options.priority) or 0, next_up = options.lifo == true,
    parent_key = parked[5] or nil, parent = parked[6] or nil, scheduler = parked[8] or nil,
    deduplication_id = deduplication_id }
  store_job(base, job)
  enqueue_new(base, max, job)
  if parked[7] then redis.call("SADD", parked[7], base .. id) end
end
