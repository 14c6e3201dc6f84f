--- ready: put jobs where workers find them, and wake a worker

-- May a worker start a job of this queue now?
local function is_open(base)
  local meta = redis.call("HMGET", base .. "meta", "paused", "concurrency")
  if meta[1] then return false end
  return not meta[2] or redis.call("LLEN", base .. "active") < tonumber(meta[2])
end

local function wake(base)
  if is_open(base) then redis.call("ZADD", base .. "marker", 0, "0") end
end

local PRIORITY_STEP = 4294967296

-- Scores order by priority, then by arrival: the counter fills the low 32 bits.
local function prioritize(base, id, priority)
  local arrival = redis.call("INCR", base .. "pc") % PRIORITY_STEP
  redis.call("ZADD", base .. "prioritized", string.format("%.0f", priority * PRIORITY_STEP + arrival), id)
end

-- Workers take at the tail: `next_up` makes the job the next to run.
local function make_ready(base, id, priority, next_up)
  if priority > 0 then
    prioritize(base, id, priority)
  else
    redis.call(next_up and "RPUSH" or "LPUSH", base .. "wait", id)
  end
end
