--- record_history: write down what went on in a minute, once
-- KEYS 1 base     str   "prefix:queue:"
-- ARGV 1 minute   int   ms, when the minute began
-- ARGV 2 now      int   ms
-- ARGV 3 kept     int   how many minutes are kept, of the stream about
-- ARGV 4 ttl      int   ms after which all is forgotten unless somebody records
-- RETURNS         int   1; 0: that minute, or a later one, is there already, or nothing is going on
-- ERRORS          none
-- EVENTS          none
-- WRITES          oxmq:history
-- COST            O(log queue), and at most 200 jobs are looked at
-- RETRY           safe
--@include options
--@include ended

local MINUTE = 60000
-- So many jobs are looked at, in runs of so many that are spread over the minute.
local SAMPLE, RUN = 200, 10
local base, minute, now = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local key = base .. "oxmq:history"

local newest = redis.call("XREVRANGE", key, "+", "-", "COUNT", 1)[1]
if newest and tonumber(string.match(newest[1], "^%d+")) >= minute then return 0 end

local function count_all()
  local counts, known = {}, 0
  for _, name in ipairs({ "wait", "paused", "active" }) do counts[name] = redis.call("LLEN", base .. name) end
  for _, name in ipairs({ "delayed", "prioritized", "waiting-children", "completed", "failed" }) do
    counts[name] = redis.call("ZCARD", base .. name)
  end
  for _, count in pairs(counts) do known = known + count end
  return counts, known
end

local counts, known = count_all()
local added = tonumber(redis.call("GET", base .. "id") or nil) or 0
local function ended(state, gone)
  return ended_between(base .. state, minute, minute + MINUTE, now, gone)
end
local completed, failed = ended("completed", added > known), ended("failed", added > known)
local waiting = counts.wait + counts.paused + counts.prioritized

-- Whether workers have counted jobs of this minute: those may all be gone by now.
local function was_counted()
  local minutes = minute / MINUTE
  local stored = redis.call("HGET", base .. "oxmq:counts", string.format("%.0f", minutes % tonumber(ARGV[3])))
  return stored and tonumber(string.match(stored, "^%d+")) == minutes
end
if completed + failed + waiting + counts.active == 0 and not was_counted() then return 0 end

-- Jobs that completed in the minute, evenly spread over it; where all of those are removed already, over what is left.
local function sample()
  local set = base .. "completed"
  local first = redis.call("ZCOUNT", set, "-inf", "(" .. string.format("%.0f", minute))
  local there = redis.call("ZCOUNT", set, string.format("%.0f", minute), "(" .. string.format("%.0f", minute + MINUTE))
  if there == 0 and completed > 0 then first, there = 0, counts.completed end
  if there <= SAMPLE then return there == 0 and {} or redis.call("ZRANGE", set, first, first + there - 1) end
  local ids, runs = {}, SAMPLE / RUN
  for run = 0, runs - 1 do
    local start = first + math.floor(run * (there - RUN) / (runs - 1))
    for _, id in ipairs(redis.call("ZRANGE", set, start, start + RUN - 1)) do ids[#ids + 1] = id end
  end
  return ids
end

local ran, waited = {}, {}
local ids = sample()
for _, id in ipairs(ids) do
  local job = redis.pcall("HMGET", base .. id, "timestamp", "processedOn", "finishedOn", "ats", "opts")
  local from, to = not job.err and tonumber(job[2]), not job.err and tonumber(job[3])
  if from and to then
    ran[#ran + 1] = math.max(0, to - from)
    -- Of a job that was started again, it is not known since when it could be.
    local since = (tonumber(job[4]) or 1) <= 1 and tonumber(job[1])
    if since then waited[#waited + 1] = math.max(0, from - since - given_delay(job[5])) end
  end
end

local function percentiles(values)
  if #values == 0 then return "" end
  table.sort(values)
  local function at(share) return string.format("%.0f", values[math.max(1, math.ceil(share * #values))]) end
  return at(0.5) .. "," .. at(0.95) .. "," .. at(0.99)
end

redis.call("XADD", key, "MAXLEN", "~", ARGV[3], string.format("%.0f-0", minute),
  "v", table.concat({ completed, failed, waiting, counts.active, counts.delayed, #ran, string.format("%.0f", added),
    ended("completed", false), ended("failed", false) }, ","),
  "r", percentiles(ran), "w", percentiles(waited))
redis.call("PEXPIRE", key, ARGV[4])
return 1
