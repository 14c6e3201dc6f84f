--- add_related: store jobs of which some have a parent or a deduplication id, and put each where its options say
-- KEYS 1 base      str   "prefix:queue:", with which every key of the queue begins
-- ARGV 1.. jobs    rows  id (empty: the counter gives it), name, data, opts, timestamp, delay, priority, next_up ("1": runs next), relations (JSON: parentKey, parent, children, de; empty for none)
-- RETURNS          list  for each job, in the order given: its id; of a job that exists already, too; the id of the job that stands in for a deduplicated one; or a code
-- ERRORS -5        the parent does not exist
-- ERRORS -7        the job exists and belongs to another living parent
-- EVENTS           added, waiting, delayed, waiting-children, duplicated, deduplicated, removed
-- WRITES           meta, id, wait, delayed, prioritized, pc, waiting-children, marker, events, de, dn, <job>, the parent's :dependencies and :processed, and where it waits
-- COST             O(jobs); log(queue) for a delayed or prioritized one; O(active) for a deduplicated one with keepLastIfActive
-- RETRY            safe  where the client makes the ids: repeating it adds nothing twice
--@include add_job

local ROW = 9
local base = KEYS[1]
local rows = #ARGV / ROW

local function read_job(row)
  local at = (row - 1) * ROW
  return { id = ARGV[at + 1], name = ARGV[at + 2], data = ARGV[at + 3], opts = ARGV[at + 4],
    timestamp = tonumber(ARGV[at + 5]), delay = tonumber(ARGV[at + 6]), priority = tonumber(ARGV[at + 7]),
    next_up = ARGV[at + 8] == "1" }, ARGV[at + 9] == "" and {} or cjson.decode(ARGV[at + 9])
end

local function is_orphan(relations)
  return relations.parentKey and redis.call("EXISTS", relations.parentKey) == 0
end

-- Without its parent a job is not added, and takes no number from the counter.
local function add_one(job, relations)
  if is_orphan(relations) then return -5 end
  local max = max_events(base)
  local number = redis.call("INCR", base .. "id")
  if job.id == "" then job.id = string.format("%.0f", number) end
  if belongs_elsewhere(base, job.id, relations) then return -7 end
  return add_job(base, max, job, relations)
end

local ids = {}
for row = 1, rows do ids[row] = add_one(read_job(row)) end
return ids
