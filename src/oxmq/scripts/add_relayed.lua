--- add_relayed: add jobs that an outbox holds, except those that it says twice, whatever has become of them since
-- KEYS 1 base     str   "prefix:queue:", with which every key of the queue begins
-- ARGV 1 now      int   ms since the epoch
-- ARGV 2 keep     int   for how long to remember what was added (ms)
-- ARGV 3.. rows   rows  mark (names the outbox's row), id, name, data, opts, timestamp, delay, priority, next_up ("1": runs next), relations (JSON: parentKey, parent, de; empty for none)
-- RETURNS         list  for each row, in the order given: the job's id; of one that was added before, too; the id of the job that stands in for a deduplicated one; or a code
-- ERRORS -5       the parent does not exist
-- ERRORS -7       the job exists and belongs to another living parent
-- EVENTS          added, waiting, delayed, waiting-children, duplicated, deduplicated, removed
-- WRITES          oxmq:relayed, meta, id, wait, delayed, prioritized, pc, waiting-children, marker, events, de, dn, <job>, the parent's :dependencies and :processed, and where it waits
-- COST            O(jobs * log(remembered)); log(queue) for a delayed or prioritized one; O(active) for a deduplicated one with keepLastIfActive
-- RETRY           safe  the marks make a repeat add nothing
--@include related_rows

local HEAD, ROW = 2, 10
-- More are never forgotten at once: what is left goes with the next call.
local FORGOTTEN = 1000
local base = KEYS[1]
local marks = base .. "oxmq:relayed"
local now, keep = tonumber(ARGV[1]), tonumber(ARGV[2])
local old = redis.call("ZRANGEBYSCORE", marks, "-inf", now, "LIMIT", 0, FORGOTTEN)

local function add_row(at)
  local job, relations = read_job(at + 1)
  if redis.call("ZSCORE", marks, ARGV[at + 1]) then return job.id end
  return add_one(base, job, relations)
end

if #old > 0 then redis.call("ZREM", marks, unpack(old)) end
local ids = {}
for row = 1, (#ARGV - HEAD) / ROW do
  local at = HEAD + (row - 1) * ROW
  ids[row] = add_row(at)
  if type(ids[row]) == "string" then redis.call("ZADD", marks, string.format("%.0f", now + keep), ARGV[at + 1]) end
end
redis.call("PEXPIRE", marks, keep)
return ids
