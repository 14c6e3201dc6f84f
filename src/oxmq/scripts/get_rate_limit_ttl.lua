--- get_rate_limit_ttl: tell for how long a rate limit still lets no job start
-- KEYS 1 base   str   "prefix:queue:"
-- ARGV 1 max    int   how many starts are allowed in a window; empty: what the queue says, and else any counter counts
-- RETURNS       int   ms; 0 or less when nothing is held back
-- ERRORS        none
-- EVENTS        none
-- WRITES        none
-- COST          O(1)
-- RETRY         read
-- FLAGS         no-writes

local base = KEYS[1]
local max = tonumber(ARGV[1]) or tonumber(redis.call("HGET", base .. "meta", "max") or "")
if max and (tonumber(redis.call("GET", base .. "limiter")) or 0) < max then return 0 end
return redis.call("PTTL", base .. "limiter")
