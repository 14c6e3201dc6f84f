--- advance_scheduler: make the job that follows one that was taken, and tell whether that one is to run
-- KEYS 1 base          str   "prefix:queue:"
-- ARGV 1 scheduler     str   its id
-- ARGV 2 now           int   ms
-- ARGV 3 opts_head     json  the new job's options without the closing brace, delay, jobId and prevMillis
-- ARGV 4 id_head       json  the new job's id without the time at its end and the closing quote
-- ARGV 5 priority      int
-- ARGV 6 next_up       str   "1": runs next
-- ARGV 7 job           str   the id of the one that was taken
-- ARGV 8 every         int   ms, where the record does not say; empty: none
-- ARGV 9 more          str   "1": another job is to be made
-- ARGV 10 legacy       str   "1": the scheduler's id looks like one of BullMQ's older kind
-- ARGV 11 deid         str   the new job's deduplication id; empty: none
-- ARGV 12 successor    int   ms, the pattern's first time after the taken job's; empty: none
-- ARGV 13.. times      int   ms, the pattern's first times after that and after now
-- RETURNS              list  run | missed (its time has passed) | overlap (an earlier one has not ended) | legacy (it runs, and has no successor); the id of the new job, or empty
-- ERRORS               none
-- EVENTS               added, waiting, delayed, duplicated
-- WRITES               repeat, repeat:<scheduler>, id, meta, wait, delayed, prioritized, pc, marker, events, <job>
-- COST                 O(log delayed)
-- RETRY                safe  the second time the job is not the scheduler's current one any more; what is said of it stays
--@include iterations

local base, scheduler, now = KEYS[1], ARGV[1], tonumber(ARGV[2])
local taken = ARGV[7]
local key = record_key(base, scheduler)
local current = tonumber(redis.call("ZSCORE", base .. "repeat", scheduler) or nil)
if not current then return { "run", "" } end
local record = redis.call("HMGET", key, "ic", "name", "data", "every", "offset", "endDate", "missed", "overlap", "ran",
  "paused")
if ARGV[10] == "1" and not record[1] then return { "legacy", "" } end

if record[10] or taken ~= iteration_id(scheduler, current) then
  -- What was said of it holds until it has ended; somebody who then retries it by hand wants it to run.
  local said = redis.call("HMGET", base .. taken, "skip", "atm")
  return { said[1] and not said[2] and said[1] or "run", "" }
end

local every = tonumber(record[4]) or tonumber(ARGV[8])
local last = tonumber(record[6])
local successor = every and current + every or tonumber(ARGV[12])
local one_by_one = record[7] == "all"

local function has_not_ended(id)
  local job = redis.call("HMGET", base .. id, "name", "finishedOn")
  return job[1] and not job[2]
end

local function verdict()
  if record[7] == "skip" and successor and successor <= now then return "missed" end
  if record[8] == "skip" and record[9] and has_not_ended(record[9]) then return "overlap" end
  return "run"
end

local function next_of_interval()
  if one_by_one or successor >= now then return successor end
  return next_on_phase(every, tonumber(record[5]) or 0, now)
end

-- Returns when the next job is due, or nil and the time that would have been its, if jobs of it and those after exist.
local function choose()
  if every then
    local due = next_of_interval()
    local free, full = free_step(base, scheduler, due, every, last)
    return free, full and due
  end
  for at = one_by_one and 12 or 13, #ARGV do
    local due = tonumber(ARGV[at])
    if due and not has_iteration(base, scheduler, due) then return due end
  end
  return nil, tonumber(ARGV[13])
end

local said = verdict()
if said ~= "run" and redis.call("EXISTS", base .. taken) == 1 then
  redis.call("HSET", base .. taken, "skip", said)
elseif record[8] == "skip" then
  redis.call("HSET", key, "ran", taken)
end

local due, full
if ARGV[9] == "1" then due, full = choose() end
if full then emit_capped(base, max_events(base), "duplicated", "jobId", iteration_id(scheduler, full)) end
if not due then return { said, "" } end

-- BullMQ 5 keeps the payload of its older kind of entries with the jobs alone; from here on the record has it.
local function payload()
  if record[3] or record[1] then return record[3] or "{}" end
  local data = redis.call("HGET", base .. taken, "data") or "{}"
  if data ~= "{}" then redis.call("HSET", key, "data", data) end
  return data
end

local data = payload()
redis.call("HINCRBY", key, "ic", 1)
local job = store_iteration(base, now, { scheduler = scheduler, due = due, name = record[2] or scheduler,
  data = data, opts_head = ARGV[3], id_head = ARGV[4], priority = tonumber(ARGV[5]),
  next_up = ARGV[6] == "1", is_pattern = not every, deduplication_id = ARGV[11] ~= "" and ARGV[11] or nil })
return { said, job.id }
