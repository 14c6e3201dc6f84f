--- update_data: replace a job's data
-- KEYS 1 base   str   "prefix:queue:"
-- ARGV 1 id     str
-- ARGV 2 data   json
-- RETURNS       int   0
-- ERRORS -1     no such job
-- EVENTS        none
-- WRITES        <job>
-- COST          O(1)
-- RETRY         safe

local job_key = KEYS[1] .. ARGV[1]
if redis.call("EXISTS", job_key) == 0 then return -1 end
redis.call("HSET", job_key, "data", ARGV[2])
return 0
