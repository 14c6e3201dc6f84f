--- obliterate: delete a paused queue and everything in it, a piece at a time
-- KEYS 1 base    str   "prefix:queue:"
-- ARGV 1 count   int   delete at most this many jobs and schedulers (at most 1,000)
-- ARGV 2 force   str   "1": jobs that run, too
-- RETURNS        int   1: there is more, call again; 0: done, or there was no such queue
-- ERRORS -1      the queue is not paused
-- ERRORS -2      jobs of the queue are running
-- EVENTS         none
-- WRITES         every key of the queue; of parents in other queues what they know of their children
-- COST           O(count + log queue)
-- RETRY          safe
-- FLAGS          allow-oom
--@include batches
--@include drop

local base, left = KEYS[1], tonumber(ARGV[1])
if redis.call("EXISTS", base .. "meta") == 0 then return 0 end
if redis.call("HEXISTS", base .. "meta", "paused") == 0 then return -1 end
if ARGV[2] ~= "1" and redis.call("EXISTS", base .. "active") == 1 then return -2 end

local function pop_list(name)
  return redis.call("RPOP", base .. name, left) or {}
end

local function pop_set(name)
  local ids, popped = {}, redis.call("ZPOPMIN", base .. name, left)
  for i = 1, #popped, 2 do ids[#ids + 1] = popped[i] end
  return ids
end

-- Locks go with the jobs: whoever still runs one finds it gone.
local function drop_running(ids)
  local locks = {}
  for i, id in ipairs(ids) do locks[i] = base .. id .. ":lock" end
  delete_all(locks)
  drop_all(base, ids)
end

local function drop_waiting(ids) drop_all(base, ids) end

local function drop_schedulers(ids)
  local records = {}
  for i, id in ipairs(ids) do records[i] = base .. "repeat:" .. id end
  delete_all(records)
end

local STEPS = {
  { "active", pop_list, drop_running }, { "delayed", pop_set, drop_waiting }, { "repeat", pop_set, drop_schedulers },
  { "completed", pop_set, drop_waiting }, { "wait", pop_list, drop_waiting }, { "paused", pop_list, drop_waiting },
  { "prioritized", pop_set, drop_waiting }, { "failed", pop_set, drop_waiting },
  { "waiting-children", pop_set, drop_waiting },
}
for _, step in ipairs(STEPS) do
  local name, pop, drop_these = step[1], step[2], step[3]
  local ids = pop(name)
  drop_these(ids)
  left = left - #ids
  if left <= 0 then return 1 end
end

-- What is large is freed in the background.
local OWN = { "events", "delay", "priority", "stalled-check", "stalled", "id", "pc", "marker", "meta",
  "metrics:completed", "metrics:completed:data", "metrics:failed", "metrics:failed:data", "oxmq:workers",
  "oxmq:history", "oxmq:counts", "oxmq:relayed" }
for i, name in ipairs(OWN) do OWN[i] = base .. name end
redis.call("UNLINK", unpack(OWN))
return 0
