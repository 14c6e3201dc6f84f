--- pausing: know of schedulers that are paused

-- The next time of a paused scheduler is put off by so much from when its last job was due: no worker of any library
-- then takes that job for the current one, and makes the next.
local PUT_OFF = 1

-- When the last job of a scheduler is or was due, given its score; nil when there is no such scheduler.
local function last_due(score, is_paused)
  local due = tonumber(score or nil)
  return due and is_paused and due - PUT_OFF or due
end

local function note_paused(base, scheduler, key, due, count)
  redis.call("ZADD", base .. "repeat", string.format("%.0f", due + PUT_OFF), scheduler)
  redis.call("HSET", key, "paused", "1", "count", string.format("%.0f", count))
end
