--- resume_scheduler: have a paused scheduler make jobs again, from its first time that is yet to come
-- KEYS 1 base         str   "prefix:queue:"
-- ARGV 1 scheduler    str   its id
-- ARGV 2 now          int   ms
-- ARGV 3 opts_head    json  the new job's options without the closing brace, delay, jobId and prevMillis
-- ARGV 4 id_head      json  the new job's id without the time at its end and the closing quote
-- ARGV 5 priority     int
-- ARGV 6 next_up      str   "1": runs next
-- ARGV 7 more         str   "1": another job is to be made
-- ARGV 8 times        int   how many times of the pattern follow
-- ARGV 9.. times      int   ms; then the record as it was read: field, value
-- RETURNS             int   1; 0 when it was not paused; 2 when the record has changed: it is to be read again
-- ERRORS -10          jobs of the pattern's next times exist
-- ERRORS -11          jobs of the interval's next times exist
-- ERRORS -12          there is no such scheduler
-- EVENTS              added, waiting, delayed
-- WRITES              repeat, repeat:<scheduler>, id, meta, wait, delayed, prioritized, pc, marker, events, <job>
-- COST                O(log delayed)
-- RETRY               safe
--@include iterations
--@include pausing

local base, scheduler, now, times = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[8])
local key = record_key(base, scheduler)
local score = redis.call("ZSCORE", base .. "repeat", scheduler)
if not score then return -12 end
local record = redis.call("HMGET", key, "paused", "name", "data", "every", "offset", "endDate", "ic")
if not record[1] then return 0 end

local function is_as_read()
  local first = 9 + times
  if redis.call("HLEN", key) ~= (#ARGV - first + 1) / 2 then return false end
  for at = first, #ARGV, 2 do
    if redis.call("HGET", key, ARGV[at]) ~= ARGV[at + 1] then return false end
  end
  return true
end

if not is_as_read() then return 2 end

local last = last_due(score, true)
local every, final = tonumber(record[4]), tonumber(record[6])

-- The last job that was made may not have been started yet.
local function still_waits()
  local job = redis.call("HMGET", base .. iteration_id(scheduler, last), "name", "ats", "finishedOn")
  return job[1] and not job[2] and not job[3]
end

-- Returns when the next job is due; nil and whether that is so because jobs of the times exist.
local function choose()
  if every then
    local due = last > now and last or next_on_phase(every, tonumber(record[5]) or 0, now)
    return free_step(base, scheduler, due, every, final)
  end
  for at = 9, 8 + times do
    local due = tonumber(ARGV[at])
    if not has_iteration(base, scheduler, due) then return due end
  end
  return nil, times > 0
end

local due, full
if ARGV[7] == "1" and not still_waits() then due, full = choose() end
if full and every then return -11 end
if full then return -10 end
redis.call("HDEL", key, "paused", "count")
redis.call("ZADD", base .. "repeat", string.format("%.0f", last), scheduler)
if not due then return 1 end
redis.call("HSET", key, "ic", string.format("%.0f", (tonumber(record[7]) or 0) + 1))
store_iteration(base, now, { scheduler = scheduler, due = due, name = record[2] or scheduler, data = record[3] or "{}",
  opts_head = ARGV[3], id_head = ARGV[4], priority = tonumber(ARGV[5]), next_up = ARGV[6] == "1",
  is_pattern = not every })
return 1
