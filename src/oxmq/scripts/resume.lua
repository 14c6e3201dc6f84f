--- resume: let the queue go on, and bring back jobs that an older peer set aside while it was paused
-- KEYS 1 base      str   "prefix:queue:"
-- ARGV 1 first     str   "1" on the first call of a resume, which writes the event
-- RETURNS          int   how many jobs are still set aside: call again until 0
-- ERRORS           none
-- EVENTS           resumed
-- WRITES           meta, wait, paused, marker, events
-- COST             O(1), at most 1,000 jobs set aside
-- RETRY            safe
--@include events
--@include delayed

local MERGED_AT_ONCE = 1000
local base = KEYS[1]
local wait, paused = base .. "wait", base .. "paused"
redis.call("HDEL", base .. "meta", "paused")
if redis.call("EXISTS", paused) == 1 then
  if redis.call("EXISTS", wait) == 0 then
    redis.call("RENAME", paused, wait)
  else
    redis.call("RPUSH", wait, unpack(redis.call("LRANGE", paused, 0, MERGED_AT_ONCE - 1)))
    redis.call("LTRIM", paused, MERGED_AT_ONCE, -1)
  end
end
if redis.call("EXISTS", wait, base .. "prioritized") > 0 then
  redis.call("ZADD", base .. "marker", 0, "0")
else
  mark_next_due(base)
end
if ARGV[1] == "1" then emit(base, "resumed") end
return redis.call("LLEN", paused)
