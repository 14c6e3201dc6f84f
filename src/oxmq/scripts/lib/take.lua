--- take: move ready jobs to active and lock them
--@include events
--@include ready
--@include delayed

-- What a limiter that was set by hand holds: more than any limit.
local HELD = 9007199254740991
-- How often one take looks for jobs in the place of ids that had none.
local LOOKS = 10

-- How many of `count` starts the rate limit allows now, and else for how long it forbids them all.
local function allowed(base, count, max)
  local used = tonumber(redis.call("GET", base .. "limiter"))
  if used and (used >= HELD or (max and used >= max)) then
    local ttl = redis.call("PTTL", base .. "limiter")
    if ttl > 0 then return 0, ttl end
    if ttl == 0 then redis.call("DEL", base .. "limiter") end
    used = 0
  end
  if not max then return count, 0 end
  return math.min(count, max - (used or 0)), 0
end

local function pop_ready(base, count)
  local ids = redis.call("RPOP", base .. "wait", count) or {}
  if #ids < count then
    local scored = redis.call("ZPOPMIN", base .. "prioritized", count - #ids)
    for i = 1, #scored, 2 do ids[#ids + 1] = scored[i] end
    if #scored == 0 then redis.call("DEL", base .. "pc") end
  end
  return ids
end

-- What of a job's hash decides here; reading it whole is cheaper than naming what a worker needs of it.
local function look_at(hash)
  local name, started, deferred
  for at = 1, #hash, 2 do
    local field = hash[at]
    if field == "name" then
      name = true
    elseif field == "ats" then
      started = hash[at + 1]
    elseif field == "defa" then
      deferred = true
    end
  end
  return name, tonumber(started) or 0, deferred
end

local function activate(base, id, now, token, lock_ms, worker)
  local job_key = base .. id
  local hash = redis.call("HGETALL", job_key)
  local name, started, deferred = look_at(hash)
  -- An id without a job (somebody deleted the hash, or a peer's old marker) is dropped here.
  if not name then return nil end
  if token ~= "0" then redis.call("SET", job_key .. ":lock", token, "PX", lock_ms) end
  redis.call("XADD", base .. "events", "*", "event", "active", "jobId", id, "prev", "waiting")
  if worker == "" then
    redis.call("HSET", job_key, "processedOn", now, "ats", started + 1)
  else
    redis.call("HSET", job_key, "processedOn", now, "ats", started + 1, "pb", worker)
  end
  return { id, hash }, deferred
end

local function count_starts(base, started, window_ms)
  if started > 0 and redis.call("INCRBY", base .. "limiter", started) == started then
    redis.call("PEXPIRE", base .. "limiter", window_ms)
  end
end

-- Returns: the ms for which a rate limit holds the queue (0: none), the ms when the next delayed job is due
-- (-1: none, or not asked because jobs were found), the jobs, and whether the queue is closed (paused, or full).
local function take(base, now, count, token, lock_ms, limit_max, limit_ms, worker)
  local meta = redis.call("HMGET", base .. "meta", "paused", "concurrency", "max", "duration")
  promote_due(base, tonumber(now))
  local window_ms = tonumber(limit_ms) or tonumber(meta[4])
  local max = window_ms and tonumber(meta[3] or limit_max)
  local wanted, limited = allowed(base, count, max)
  if limited > 0 then return limited, "-1", {} end
  if meta[1] then return 0, "-1", {}, true end
  if meta[2] then wanted = math.min(wanted, tonumber(meta[2]) - redis.call("LLEN", base .. "active")) end
  if wanted <= 0 then return 0, "-1", {}, true end

  local jobs, live, started, emptied = {}, {}, 0, false
  for _ = 1, LOOKS do
    local missing = wanted - #jobs
    local ids = pop_ready(base, missing)
    for _, id in ipairs(ids) do
      local job, deferred = activate(base, id, now, token, lock_ms, worker)
      if job then
        jobs[#jobs + 1] = job
        live[#live + 1] = id
        -- One that is only taken to be failed does not count against a rate limit.
        if not deferred then started = started + 1 end
      end
    end
    emptied = #ids < missing
    if emptied or #jobs == wanted then break end
  end
  if #jobs > 0 then
    redis.call("LPUSH", base .. "active", unpack(live))
    if max then count_starts(base, started, window_ms) end
  end
  if #jobs > 0 or not emptied then redis.call("ZADD", base .. "marker", 0, "0") end
  local due = emptied and next_due(base) or -1
  return 0, string.format("%.0f", math.floor(due)), jobs
end
