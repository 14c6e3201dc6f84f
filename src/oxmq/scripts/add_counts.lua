--- add_counts: add what a worker counted in a minute to what others counted in it, once
-- KEYS 1 base       str   "prefix:queue:"
-- ARGV 1 worker     str   who counted
-- ARGV 2 minute     int   the minute's number since the epoch; a worker's numbers only grow
-- ARGV 3 completed  int   how many jobs completed
-- ARGV 4 failed     int   how many failed for good
-- ARGV 5 retried    int   how many runs failed after which the job is to run again
-- ARGV 6 run        str   how long the jobs ran: rows of classes, such as "18:1,5,2 40:7"
-- ARGV 7 wait       str   how long they had waited, in the same form
-- ARGV 8 kept       int   how many minutes are kept
-- ARGV 9 ttl        int   ms after which all is forgotten unless somebody counts
-- RETURNS           int   1; 0: the worker's counts of that minute are in, or the minute is too old, or the queue was removed
-- ERRORS            none
-- EVENTS            none
-- WRITES            oxmq:counts
-- COST              O(workers), and at most 200 classes are looked at
-- RETRY             safe

-- A worker that has added nothing for so many minutes is forgotten: nobody repeats a call after so long.
local FORGOTTEN = 10
-- Where the classes end, in whatever way a count was damaged.
local CLASSES = 200
local key, worker, minute = KEYS[1] .. "oxmq:counts", ARGV[1], tonumber(ARGV[2])
-- The minutes' fields are a ring: one takes the place of the one that is too old.
local field = string.format("%.0f", minute % tonumber(ARGV[8]))

-- Of a queue that was removed nothing is to stay behind, though its workers still run.
if redis.call("EXISTS", KEYS[1] .. "meta") == 0 then return 0 end
local stored = redis.call("HMGET", key, "by", field)
local marks = { worker .. "=" .. string.format("%.0f", minute) }
for mark, who, last in string.gmatch(stored[1] or "", "(([^%s=]+)=(%d+))") do
  last = tonumber(last)
  if who == worker and last >= minute then return 0 end
  if who ~= worker and math.abs(last - minute) <= FORGOTTEN then marks[#marks + 1] = mark end
end

local function add_rows(sums, rows)
  for first, counts in string.gmatch(rows, "(%d+):([%d,]+)") do
    local class = tonumber(first)
    for count in string.gmatch(counts, "%d+") do
      if class < CLASSES then sums[class] = (sums[class] or 0) + tonumber(count) end
      class = class + 1
    end
  end
end

local function joined(one, other)
  local sums, rows = {}, {}
  add_rows(sums, one)
  add_rows(sums, other)
  for class = 0, CLASSES - 1 do
    if sums[class] and sums[class - 1] then
      rows[#rows] = rows[#rows] .. string.format(",%.0f", sums[class])
    elseif sums[class] then
      rows[#rows + 1] = string.format("%d:%.0f", class, sums[class])
    end
  end
  return table.concat(rows, " ")
end

local sums, run, wait = { tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]) }, ARGV[6], ARGV[7]
local before = { string.match(stored[2] or "", "^(%d+) (%d+) (%d+) (%d+);([^;]*);([^;]*)$") }
local known = tonumber(before[1])
if known and known > minute then return 0 end
if known == minute then
  for i = 1, 3 do sums[i] = sums[i] + tonumber(before[i + 1]) end
  run, wait = joined(before[5], run), joined(before[6], wait)
end
redis.call("HSET", key, "by", table.concat(marks, " "), field,
  string.format("%.0f %.0f %.0f %.0f;%s;%s", minute, sums[1], sums[2], sums[3], run, wait))
redis.call("PEXPIRE", key, ARGV[9])
return 1
