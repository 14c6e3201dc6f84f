--- add_log: append lines to a job's log
-- KEYS 1 base   str   "prefix:queue:"
-- ARGV 1 id     str
-- ARGV 2 keep   int   keep at most so many of the newest; empty: all
-- ARGV 3.. rows list  the lines, in order (at most 1,000)
-- RETURNS       int   the rows now kept
-- ERRORS -1     no such job
-- EVENTS        none
-- WRITES        <job>:logs
-- COST          O(rows)
-- RETRY         never  repeating it appends the lines again

local base, id, keep = KEYS[1], ARGV[1], tonumber(ARGV[2])
if redis.call("EXISTS", base .. id) == 0 then return -1 end
local rows = redis.call("RPUSH", base .. id .. ":logs", unpack(ARGV, 3))
if not keep then return rows end
redis.call("LTRIM", base .. id .. ":logs", -keep, -1)
return math.min(rows, keep)
