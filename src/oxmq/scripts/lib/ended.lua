--- ended: tell how many jobs ended in a time, also where they are soon removed

-- From so few jobs no rate is told.
local ENOUGH = 100

-- How many jobs of a set of ended ones ended from `first` to before `last`. `gone` says whether jobs have been removed:
-- then a set that begins later than `first` has lost some of them, and its own pace stands for theirs.
local function ended_between(key, first, last, now, gone)
  local count = redis.call("ZCOUNT", key, string.format("%.0f", first), "(" .. string.format("%.0f", last))
  if not gone then return count end
  local kept = redis.call("ZCARD", key)
  local oldest = tonumber(redis.call("ZRANGE", key, 0, 0, "WITHSCORES")[2])
  if kept < ENOUGH or oldest <= first then return count end
  return math.max(count, math.floor(kept * (last - first) / math.max(now - oldest, 1000)))
end
