--- remove_dependency: cut the tie between a child and its parent
-- KEYS 1 base         str   "prefix:queue:" of the child
-- ARGV 1 id           str   the child
-- ARGV 2 parent_key   str
-- RETURNS             int   0; 1 when the parent did not wait for this child
-- ERRORS -1           no such job
-- ERRORS -5           no such parent
-- EVENTS              waiting
-- WRITES              <job>, the parent's :dependencies, and where it waits
-- COST                O(1)
-- RETRY               never  a second time it finds no tie
--@include parents

local job_key, parent_key = KEYS[1] .. ARGV[1], ARGV[2]
if redis.call("EXISTS", job_key) == 0 then return -1 end
if parent_key == "" or redis.call("EXISTS", parent_key) == 0 then return -5 end
if redis.call("SISMEMBER", parent_key .. ":dependencies", job_key) == 0 then return 1 end
forget_child(parent_key, job_key)
redis.call("HDEL", job_key, "parentKey", "parent")
return 0
