--- remove: take a job out of its queue, with everything recorded about it, and its children
-- KEYS 1 base       str   "prefix:queue:"
-- ARGV 1 id         str
-- ARGV 2 children   str   "1": its children too, whatever became of them, and theirs
-- RETURNS           int   1: done, also where there was no such job; 0: a worker holds the lock of one of the jobs; 2: there is more, call again
-- ERRORS -8         the job is a scheduler's next iteration
-- EVENTS            removed, waiting
-- WRITES            every container, stalled, events, de, dn, <job> and its parts, the parent's; of each job's queue
-- COST              O(jobs x (wait + active)) in the worst case: a list must be searched; at most 250 jobs
-- RETRY             safe
--@include events
--@include family

local base, id = KEYS[1], ARGV[1]
local job_key = base .. id
local scheduler = redis.call("HGET", job_key, "rjk")
if scheduler then
  local next_ms = redis.call("ZSCORE", base .. "repeat", scheduler)
  if next_ms and id == "repeat:" .. scheduler .. ":" .. string.format("%.0f", next_ms) then return -8 end
end
local which = ARGV[2] == "1" and "all" or nil
if is_locked(job_key, new_walk(which)) then return 0 end
local walk = new_walk(which)
walk.is_large = which and is_large(job_key, which, {})
-- Not by its key, whose last part need not be the whole id: those of schedulers have colons.
if remove_from(base, id, nil, walk) then return 1 end
return walk.locked and 0 or 2
