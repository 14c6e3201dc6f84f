--- upsert_scheduler: make or change a scheduler, and make its next job in place of the one that waits
-- KEYS 1 base         str   "prefix:queue:"
-- ARGV 1 scheduler    str   its id
-- ARGV 2 now          int   ms
-- ARGV 3 opts_head    json  the new job's options without the closing brace, delay, jobId and prevMillis
-- ARGV 4 id_head      json  the new job's id without the time at its end and the closing quote
-- ARGV 5 priority     int
-- ARGV 6 next_up      str   "1": runs next
-- ARGV 7 name         str
-- ARGV 8 data         json
-- ARGV 9 every        int   ms; empty: a pattern, whose times follow
-- ARGV 10 start       int   ms; empty: none
-- ARGV 11 end         int   ms; empty: none
-- ARGV 12 offset      int   ms; empty: as it comes
-- ARGV 13 times       int   how many times of the pattern follow
-- ARGV 14.. times     int   ms; then the record's fields: field, value
-- RETURNS             list  the job's id, its delay, its options; nil: no time is left, nothing was changed; or it is paused, and stays so
-- ERRORS -10          a job of the pattern's next time exists
-- ERRORS -11          jobs of the interval's next times exist
-- EVENTS              added, waiting, delayed
-- WRITES              repeat, repeat:<scheduler>, id, meta, wait, paused, delayed, prioritized, pc, marker, events, de, dn, <job>
-- COST                O(wait) in the worst case: the list must be searched for the job that waits
-- RETRY               safe  the second time it takes the place of what the first has made
--@include iterations
--@include pausing
--@include drop

local base, scheduler, now = KEYS[1], ARGV[1], tonumber(ARGV[2])
local every, start, last, offset = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12])
local times = tonumber(ARGV[13])
local key = record_key(base, scheduler)
local old = redis.call("HMGET", key, "every", "offset", "ic", "ran", "paused")
local current = last_due(redis.call("ZSCORE", base .. "repeat", scheduler), old[5])

-- Where the current job waits to be run; nil when it does not. BullMQ does not look in `wait` while the queue is paused.
local function where_it_waits()
  if not current then return nil end
  local id = iteration_id(scheduler, current)
  local job = redis.call("HMGET", base .. id, "name", "finishedOn")
  if not job[1] or job[2] or redis.call("EXISTS", base .. id .. ":lock") == 1 then return nil end
  for _, name in ipairs({ "delayed", "prioritized" }) do
    if redis.call("ZSCORE", base .. name, id) then return name end
  end
  local list = redis.call("HEXISTS", base .. "meta", "paused") == 1 and "paused" or "wait"
  return redis.call("LPOS", base .. list, id) and list
end

local waits_in = where_it_waits()
local unchanged = current and tonumber(old[1]) == every

local function next_of_interval()
  if unchanged and waits_in then return current end
  if unchanged then
    local due = current + every
    return due < now and next_on_phase(every, offset or 0, now) or due
  end
  if start then return math.max(start, now) end
  return (offset or 0) > 0 and next_on_phase(every, offset, now) or now
end

local function is_free(due)
  return (waits_in and due == current) or not has_iteration(base, scheduler, due)
end

-- Returns when the job is due, or nil and whether that is so because jobs of the times exist.
local function choose()
  if every then
    local due = next_of_interval()
    if last and due > last then return nil end
    if is_free(due) then return due end
    return free_step(base, scheduler, due, every, last)
  end
  for at = 1, times do
    local due = tonumber(ARGV[13 + at])
    if is_free(due) then return due end
    -- Only where a job waited have those before it run ahead of their time.
    if not waits_in then return nil, true end
  end
  return nil, times > 0
end

local due, full = choose()
if not due then
  if not full then return false end
  if every then return -11 end
  return -10
end

if waits_in then
  local id = iteration_id(scheduler, current)
  if waits_in == "delayed" or waits_in == "prioritized" then
    redis.call("ZREM", base .. waits_in, id)
  else
    redis.call("LREM", base .. waits_in, 0, id)
  end
  drop(base, id)
end

-- A job in whose place the new one comes leaves it the offset as well.
local function phase()
  if offset then return ARGV[12] end
  if (waits_in or (old[5] and unchanged)) and old[2] then return old[2] end
  return every and string.format("%.0f", due % every) or "0"
end

-- What a paused scheduler loses it makes anew when it is resumed.
local made = old[5] and waits_in and string.format("%.0f", (tonumber(old[3]) or 1) - 1) or old[3] or 1
local fields = { "HSET", key, "name", ARGV[7], "ic", made, "offset", phase() }
local function also(...)
  for _, word in ipairs({ ... }) do fields[#fields + 1] = word end
end
if old[4] then also("ran", old[4]) end
also(unpack(ARGV, 14 + times))
redis.call("DEL", key)
redis.call(unpack(fields))
if old[5] then
  note_paused(base, scheduler, key, unchanged and every and current or due, 1)
  return false
end

local job = store_iteration(base, now, { scheduler = scheduler, due = due, name = ARGV[7], data = ARGV[8],
  opts_head = ARGV[3], id_head = ARGV[4], priority = tonumber(ARGV[5]), next_up = ARGV[6] == "1",
  is_pattern = not every })
return { job.id, job.delay, job.opts }
