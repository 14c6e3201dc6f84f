--- add_log: append a line to a job's log
-- KEYS 1 base   str   "prefix:queue:"
-- ARGV 1 id     str
-- ARGV 2 row    str
-- ARGV 3 keep   int   keep at most so many of the newest; empty: all
-- RETURNS       int   the rows now kept
-- ERRORS -1     no such job
-- EVENTS        none
-- WRITES        <job>:logs
-- COST          O(1)
-- RETRY         never  repeating it appends the line again

local base, id, keep = KEYS[1], ARGV[1], tonumber(ARGV[3])
if redis.call("EXISTS", base .. id) == 0 then return -1 end
local rows = redis.call("RPUSH", base .. id .. ":logs", ARGV[2])
if not keep then return rows end
redis.call("LTRIM", base .. id .. ":logs", -keep, -1)
return math.min(rows, keep)
