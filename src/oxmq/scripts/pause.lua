--- pause: stop the whole queue; jobs that run go on
-- KEYS 1 base   str   "prefix:queue:"
-- RETURNS       int   0
-- ERRORS        none
-- EVENTS        paused
-- WRITES        meta, marker, events
-- COST          O(1)
-- RETRY         safe
--@include events

local base = KEYS[1]
redis.call("HSET", base .. "meta", "paused", 1)
redis.call("DEL", base .. "marker")
emit(base, "paused")
return 0
