--- count_children: count a job's children by what became of them, all at one moment
-- KEYS 1 base   str   "prefix:queue:"
-- ARGV 1 id     str
-- RETURNS       list  how many are processed, unprocessed, ignored and failed
-- ERRORS        none
-- EVENTS        none
-- WRITES        none
-- COST          O(1)
-- RETRY         read
-- FLAGS         no-writes

local job_key = KEYS[1] .. ARGV[1]
return { redis.call("HLEN", job_key .. ":processed"), redis.call("SCARD", job_key .. ":dependencies"),
  redis.call("HLEN", job_key .. ":failed"), redis.call("ZCARD", job_key .. ":unsuccessful") }
