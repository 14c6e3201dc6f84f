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
--@include related_rows

local ROW = 9

local function add_row(row)
  local job, relations = read_job((row - 1) * ROW)
  return add_one(KEYS[1], job, relations)
end

local ids = {}
for row = 1, #ARGV / ROW do ids[row] = add_row(row) end
return ids
