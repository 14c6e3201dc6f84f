--- get_snapshot: read what a person wants to see of a queue at a glance, all at one moment
-- KEYS 1 base   str   "prefix:queue:"
-- ARGV 1 now    int   ms
-- RETURNS       list  the counts of wait, paused, active, delayed, prioritized, waiting-children, completed, failed; of meta paused, concurrency, max, duration, version, opts.maxLenEvents; ms for which a rate limit holds the queue; since when the job that has been ready longest is (ms; empty: none); delayed jobs past due; jobs completed and failed in the last minute; schedulers; the newest event's id; jobs ever added; the names of keys of a wrong type
-- ERRORS        none
-- EVENTS        none
-- WRITES        none
-- COST          O(log queue)
-- RETRY         read
-- FLAGS         no-writes
--@include options
--@include ended

local MINUTE = 60000
local SEQUENCES = 4096
local PRIORITY_STEP = 4294967296
-- What a limiter that was set by hand holds: more than any limit.
local HELD = 9007199254740991

local base, now = KEYS[1], tonumber(ARGV[1])
local broken = {}

-- One key that holds what it should not must not hide all the others.
local function ask(fallback, command, name, ...)
  local answer = redis.pcall(command, base .. name, ...)
  if type(answer) ~= "table" or not answer.err then return answer end
  broken[#broken + 1] = name
  return fallback
end

local function count_all()
  local counts = {}
  for _, name in ipairs({ "wait", "paused", "active" }) do counts[#counts + 1] = ask(0, "LLEN", name) end
  for _, name in ipairs({ "delayed", "prioritized", "waiting-children", "completed", "failed" }) do
    counts[#counts + 1] = ask(0, "ZCARD", name)
  end
  return counts
end

-- When a job could first have run, as far as that is recorded.
local function ready_since(id)
  local job = redis.pcall("HMGET", base .. id, "timestamp", "opts", "dueOn", "processedOn")
  local added = not job.err and tonumber(job[1])
  if not added then return now end
  return math.max(added + given_delay(job[2]), tonumber(job[3]) or 0, tonumber(job[4]) or 0)
end

-- Jobs that run next are put at the tail: there or at the head is the one that has been in the list longest. Of the
-- prioritized ones it is the first of all, or the first of the least priority.
local function longest_ready(counts)
  local oldest = now
  local function look(id)
    if id then oldest = math.min(oldest, ready_since(id)) end
  end
  for at, name in ipairs({ "wait", "paused" }) do
    if counts[at] > 0 then look(ask(nil, "LINDEX", name, -1)) end
    if counts[at] > 1 then look(ask(nil, "LINDEX", name, 0)) end
  end
  if counts[5] > 0 then
    look(ask({}, "ZRANGE", "prioritized", 0, 0)[1])
    local last = tonumber(ask({}, "ZRANGE", "prioritized", -1, -1, "WITHSCORES")[2]) or 0
    local least = string.format("%.0f", math.floor(last / PRIORITY_STEP) * PRIORITY_STEP)
    look(ask({}, "ZRANGEBYSCORE", "prioritized", least, "+inf", "LIMIT", 0, 1)[1])
  end
  return counts[1] + counts[2] + counts[5] > 0 and string.format("%.0f", oldest) or ""
end

local function held(max)
  local used = tonumber(ask(nil, "GET", "limiter"))
  if not used or used < (tonumber(max) or HELD) then return 0 end
  return math.max(0, redis.call("PTTL", base .. "limiter"))
end

local function ended_lately(name, count, gone)
  if count == 0 then return 0 end
  return ended_between(base .. name, now - MINUTE, now + 1, now, gone)
end

local counts = count_all()
local known = 0
for _, count in ipairs(counts) do known = known + count end
local meta = ask({}, "HMGET", "meta", "paused", "concurrency", "max", "duration", "version", "opts.maxLenEvents")
local added = tonumber(ask(nil, "GET", "id")) or 0
local overdue = ask(0, "ZCOUNT", "delayed", "-inf", "(" .. string.format("%.0f", (now + 1) * SEQUENCES))
local newest = ask({}, "XREVRANGE", "events", "+", "-", "COUNT", 1)[1]
return { counts, meta, held(meta[3]), longest_ready(counts), overdue,
  ended_lately("completed", counts[7], added > known), ended_lately("failed", counts[8], added > known),
  ask(0, "ZCARD", "repeat"), newest and newest[1] or "0-0", string.format("%.0f", added), broken }
