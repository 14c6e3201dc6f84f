--- add_flow: store parents and children of one or more flows, all or none
-- KEYS 1 base      str   "prefix:queue:" of the first job
-- ARGV 1.. jobs    rows  base of its queue, id, name, data, opts, timestamp, delay, priority, next_up ("1": runs next), relations (JSON: parentKey, parent, children, de); each parent before its children
-- RETURNS          list  for each job, in the order given, its id; where all are refused, the code and which job (from 1) it is for
-- ERRORS -5        a parent is neither in the flow nor in Redis
-- ERRORS -7        a job exists and belongs to another living parent
-- EVENTS           added, waiting, delayed, waiting-children, duplicated, deduplicated, removed
-- WRITES           meta, id, wait, delayed, prioritized, pc, waiting-children, marker, events, de, dn, <job>, the parents' :dependencies and :processed; of each job's queue
-- COST             O(jobs); log(queue) for a delayed or prioritized one
-- RETRY            safe  the client makes the ids: repeating it adds nothing twice
--@include events
--@include add_job

local ROW = 10
local rows = #ARGV / ROW

local function read_job(row)
  local at = (row - 1) * ROW
  return { base = ARGV[at + 1], id = ARGV[at + 2], name = ARGV[at + 3], data = ARGV[at + 4], opts = ARGV[at + 5],
    timestamp = tonumber(ARGV[at + 6]), delay = tonumber(ARGV[at + 7]), priority = tonumber(ARGV[at + 8]),
    next_up = ARGV[at + 9] == "1" }, ARGV[at + 10] == "" and {} or cjson.decode(ARGV[at + 10])
end

-- here: the parent of each job of the flow; true for those that name none.
local jobs, relations, here = {}, {}, {}
for row = 1, rows do
  local job, related = read_job(row)
  local job_key, parent_key = job.base .. job.id, related.parentKey
  local earlier = here[job_key]
  if parent_key and not here[parent_key] and redis.call("EXISTS", parent_key) == 0 then return { -5, row } end
  if parent_key and earlier and earlier ~= true and earlier ~= parent_key then return { -7, row } end
  if belongs_elsewhere(job.base, job.id, related) then return { -7, row } end
  jobs[row], relations[row], here[job_key] = job, related, parent_key or earlier or true
end

local ids, ended, max = {}, {}, {}
for row, job in ipairs(jobs) do
  local base = job.base
  max[base] = max[base] or max_events(base)
  redis.call("INCR", base .. "id")
  ids[row] = add_job(base, max[base], job, relations[row], ended)
end
-- Not earlier: a child that has ended already must not release its parent before its siblings are in.
tell_parents(ended)
return ids
