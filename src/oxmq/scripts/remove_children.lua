--- remove_children: remove the children of a job that have not begun, and theirs
-- KEYS 1 base   str   "prefix:queue:"
-- ARGV 1 id     str
-- RETURNS       int   0
-- ERRORS -1     no such job
-- EVENTS        removed, waiting
-- WRITES        every container, events, de, dn, <job>'s :dependencies, the children and their parts; of each job's queue
-- COST          O(children x wait) in the worst case: a list must be searched
-- RETRY         safe
--@include family

local job_key = KEYS[1] .. ARGV[1]
if redis.call("EXISTS", job_key) == 0 then return -1 end
remove_unprocessed(job_key, { [job_key] = true })
return 0
