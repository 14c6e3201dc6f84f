--- forget_deduplication: let go of a deduplication id, if a job owns it
-- KEYS 1 base               str   "prefix:queue:"
-- ARGV 1 deduplication_id   str
-- ARGV 2 id                 str   the job
-- RETURNS                   int   1 when the job owned it, else 0
-- ERRORS                    none
-- EVENTS                    none
-- WRITES                    de
-- COST                      O(1)
-- RETRY                     safe

local key = KEYS[1] .. "de:" .. ARGV[1]
if redis.call("GET", key) ~= ARGV[2] then return 0 end
return redis.call("DEL", key)
