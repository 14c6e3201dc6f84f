--- remove_children: remove the children of a job that have not begun, and theirs
-- KEYS 1 base     str   "prefix:queue:"
-- ARGV 1 id       str
-- ARGV 2 cursor   str   where to go on: what the last call returned, which may be the same again; "0" to begin
-- RETURNS         str   where to go on; empty when all is done
-- ERRORS -1       no such job
-- EVENTS          removed, waiting
-- WRITES          every container, events, de, dn, <job>'s :dependencies, the children and their parts; of each job's queue
-- COST            O(jobs x wait) in the worst case: a list must be searched; about 250 jobs
-- RETRY           safe
--@include family

local job_key = KEYS[1] .. ARGV[1]
if redis.call("EXISTS", job_key) == 0 then return -1 end
local page = redis.call("SSCAN", job_key .. ":dependencies", ARGV[2], "COUNT", AT_ONCE)
local walk = new_walk("unprocessed")
walk.seen[job_key] = true
walk.is_large = is_large(job_key, "unprocessed", {})
-- What is left over of a page comes again with the same cursor.
if not remove_unprocessed(job_key, page[2], walk) then return ARGV[2] end
return page[1] == "0" and "" or page[1]
