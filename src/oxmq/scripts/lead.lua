--- lead: take the lead of those who reconcile, or keep it, and write down what the leader saw
-- KEYS 1 key      str   "prefix:oxmq-leader"
-- ARGV 1 worker   str   who wants to lead
-- ARGV 2 ttl      int   ms for which the lead lasts unless it is kept; 0: give it up
-- ARGV 3 report   json  what was seen; empty: leave what is there
-- RETURNS         int   the term, which grows with every change of the lead; 0: somebody else leads
-- ERRORS          none
-- EVENTS          none
-- WRITES          oxmq-leader
-- COST            O(1)
-- RETRY           safe

local key = KEYS[1]
local time = redis.call("TIME")
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local lead = redis.call("HMGET", key, "worker", "until", "term")
local held = (tonumber(lead[2]) or 0) > now
if held and lead[1] ~= ARGV[1] then return 0 end
if tonumber(ARGV[2]) == 0 and not held then return 0 end
local term = tonumber(lead[3]) or 0
if not held then term = term + 1 end
redis.call("HSET", key, "worker", ARGV[1], "until", string.format("%.0f", now + tonumber(ARGV[2])), "term", term)
if ARGV[3] ~= "" then redis.call("HSET", key, "report", ARGV[3]) end
return term
