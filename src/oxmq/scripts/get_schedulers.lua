--- get_schedulers: read a page of a queue's schedulers
-- KEYS 1 base    str   "prefix:queue:"
-- ARGV 1 start   int   index of the first, from 0
-- ARGV 2 stop    int   index of the last; -1: the end
-- ARGV 3 asc     str   "1": the one whose job is due first comes first
-- RETURNS        list  for each its id, when its job is due in ms, and its record, flat
-- ERRORS         none
-- EVENTS         none
-- WRITES         none
-- COST           O(log schedulers + those returned)
-- RETRY          read
-- FLAGS          no-writes

local base = KEYS[1]
local page = redis.call(ARGV[3] == "1" and "ZRANGE" or "ZREVRANGE", base .. "repeat", ARGV[1], ARGV[2], "WITHSCORES")
local found = {}
for at = 1, #page, 2 do
  found[#found + 1] = { page[at], page[at + 1], redis.call("HGETALL", base .. "repeat:" .. page[at]) }
end
return found
