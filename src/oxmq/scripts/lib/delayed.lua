--- delayed: hold jobs back until they are due
--@include events
--@include ready

-- A score is the due time in ms times this, plus a sequence number that keeps the order within a millisecond.
local SEQUENCES = 4096
local PROMOTED_AT_ONCE = 1000

local function delayed_score(base, due)
  local low = due * SEQUENCES
  local high = low + SEQUENCES - 1
  local last = redis.call("ZREVRANGEBYSCORE", base .. "delayed", string.format("%.0f", high),
    string.format("%.0f", low), "WITHSCORES", "LIMIT", 0, 1)[2]
  if not last then return low end
  return math.min(tonumber(last) + 1, high)
end

local function next_due(base)
  local first = redis.call("ZRANGE", base .. "delayed", 0, 0, "WITHSCORES")[2]
  return first and tonumber(first) / SEQUENCES
end

local function mark_next_due(base)
  local due = next_due(base)
  if due then redis.call("ZADD", base .. "marker", due, "1") end
end

local function hold_back(base, id, due)
  redis.call("ZADD", base .. "delayed", string.format("%.0f", delayed_score(base, due)), id)
end

-- A job that expires has its time from when it was due, where that is not what its options say.
local function note_due(base, id, due)
  local opts = redis.call("HGET", base .. id, "opts")
  if opts and string.find(opts, '"expires":', 1, true) then
    redis.call("HSET", base .. id, "dueOn", string.format("%.0f", due))
  end
end

local function promote_due(base, now)
  local due = redis.call("ZRANGEBYSCORE", base .. "delayed", "-inf",
    "(" .. string.format("%.0f", (now + 1) * SEQUENCES), "LIMIT", 0, PROMOTED_AT_ONCE)
  if #due == 0 then return end
  redis.call("ZREM", base .. "delayed", unpack(due))
  for _, id in ipairs(due) do
    local priority = redis.call("HGET", base .. id, "priority")
    -- An id whose hash is gone is dropped: writing to it would make half a job.
    if priority then
      make_ready(base, id, tonumber(priority) or 0, false)
      emit(base, "waiting", "jobId", id, "prev", "delayed")
      redis.call("HSET", base .. id, "delay", 0)
    end
  end
  wake(base)
end
