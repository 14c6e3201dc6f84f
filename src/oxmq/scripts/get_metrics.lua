--- get_metrics: read how many jobs ended in each minute
-- KEYS 1 base    str   "prefix:queue:"
-- ARGV 1 state   str   completed, failed
-- ARGV 2 start   int   index of the first minute, from 0: the newest
-- ARGV 3 stop    int   index of the last; -1: the oldest
-- RETURNS        list  count, prevTS and prevCount as they are stored, the minutes, and how many there are in all
-- ERRORS         none
-- EVENTS         none
-- WRITES         none
-- COST           O(minutes)
-- RETRY          read
-- FLAGS          no-writes

local key = KEYS[1] .. "metrics:" .. ARGV[1]
return { redis.call("HMGET", key, "count", "prevTS", "prevCount"),
  redis.call("LRANGE", key .. ":data", ARGV[2], ARGV[3]), redis.call("LLEN", key .. ":data") }
