--- events: write to a queue's event stream

-- How long the stream may grow; written down where no peer has said yet.
local function max_events(base)
  local max = redis.call("HGET", base .. "meta", "opts.maxLenEvents")
  if max then return max end
  redis.call("HSET", base .. "meta", "opts.maxLenEvents", 10000)
  return 10000
end

local function emit(base, ...)
  redis.call("XADD", base .. "events", "*", "event", ...)
end

local function emit_capped(base, max, ...)
  redis.call("XADD", base .. "events", "MAXLEN", "~", max, "*", "event", ...)
end

-- Trims first, so that what the script writes next survives it.
local function trim_events(base)
  redis.call("XTRIM", base .. "events", "MAXLEN", "~", max_events(base))
end
