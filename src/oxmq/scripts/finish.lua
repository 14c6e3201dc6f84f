--- finish: end the runs of a batch of jobs, each fenced by its token, then take the next ones
-- KEYS 1 base       str   "prefix:queue:"
-- ARGV 1 now        ms
-- ARGV 2 count      int   take at most this many (0: none; at most 1,000)
-- ARGV 3 token      str   for the locks of the jobs taken
-- ARGV 4 lock_ms    int   how long a lock lives
-- ARGV 5 limit_max  int   empty for none
-- ARGV 6 limit_ms   int   length of the rate limit's window
-- ARGV 7 worker     str   empty for none
-- ARGV 8 metrics    int   how many minutes of metrics to keep; 0: none
-- ARGV 9.. runs     rows  id, token ("0": needs no lock), outcome, value, stacktrace (JSON), attempts allowed, keep count (-1: all), keep age (s; empty: any), keep limit (empty: 1,000), delay (ms), next_up ("1": runs next), tm (context of a trace; empty: none)
-- RETURNS           list  a code for each run (0: done), then the reply of take
-- ERRORS -1         no such job
-- ERRORS -2         no lock
-- ERRORS -3         not active; a lock that the token holds all the same is released
-- ERRORS -4         completed, with children pending
-- ERRORS -6         another token's lock
-- ERRORS -9         completed or parked, with a child that failed
-- EVENTS            completed, failed, retries-exhausted, waiting, waiting-children, delayed, drained, active, added
-- WRITES            active, stalled, completed, failed, wait, prioritized, pc, delayed, waiting-children, marker, limiter, events, de, dn, metrics, id, <job>, <job>:lock, and a parent's
-- COST              O(runs x active + count); up to 1,000 swept jobs a state, and 1,000 due delayed ones
-- RETRY             token  repeating a run that was ended already is refused with -1, -2 or -6
-- FLAGS             allow-oom
--@include batches
--@include erase
--@include parents
--@include claims
--@include metrics
--@include take

local FIRST, ROW = 8, 12
local base, now = KEYS[1], ARGV[1]
local now_ms = tonumber(now)
local rows = (#ARGV - FIRST) / ROW
local max = max_events(base)

-- outcome: completed | failed | retry (now) | delay (then retry); and, costing no attempt: postpone (delay),
-- release (back to wait as the next one), park (until its children have ended; release when they have)
local function read_run(row)
  local at = FIRST + (row - 1) * ROW
  return { id = ARGV[at + 1], token = ARGV[at + 2], outcome = ARGV[at + 3], value = ARGV[at + 4],
    stacktrace = ARGV[at + 5], attempts = tonumber(ARGV[at + 6]), keep_count = tonumber(ARGV[at + 7]),
    keep_age = tonumber(ARGV[at + 8]), keep_limit = tonumber(ARGV[at + 9]), delay = tonumber(ARGV[at + 10]),
    next_up = ARGV[at + 11] == "1", tm = ARGV[at + 12] }
end

local runs, lock_keys, child_keys = {}, {}, {}
local ending, retrying = false, false
for row = 1, rows do
  local run = read_run(row)
  runs[row] = run
  lock_keys[row] = base .. run.id .. ":lock"
  if run.outcome == "completed" or run.outcome == "park" then
    child_keys[#child_keys + 1] = base .. run.id .. ":dependencies"
    child_keys[#child_keys + 1] = base .. run.id .. ":unsuccessful"
  end
  ending = ending or run.outcome == "completed" or run.outcome == "failed"
  retrying = retrying or run.outcome == "retry"
end
local locks = rows > 0 and redis.call("MGET", unpack(lock_keys)) or {}
-- One call tells whether any job of the batch has children to ask about.
local have_children = #child_keys > 0 and redis.call("EXISTS", unpack(child_keys)) > 0

local freed_locks, freed_ids, erased, made_ready = {}, {}, {}, false
local completed = {}
local sweeps = {}

-- Where a batch ends a good part of what is active, the list is read and written once, not searched for each id.
local active, in_active = nil, nil
if rows >= 4 and redis.call("LLEN", base .. "active") <= 8 * rows then
  active, in_active = redis.call("LRANGE", base .. "active", 0, -1), {}
  for _, id in ipairs(active) do in_active[id] = true end
end

local function leave_active(id)
  if not in_active then return redis.call("LREM", base .. "active", -1, id) > 0 end
  local was_in = in_active[id]
  in_active[id] = nil
  return was_in
end

local function write_active()
  if not in_active then return end
  local staying = {}
  for _, id in ipairs(active) do
    if in_active[id] then staying[#staying + 1] = id end
  end
  if #staying == #active then return end
  redis.call("DEL", base .. "active")
  call_with_all("RPUSH", base .. "active", staying)
end

local function refusal(run, lock, job)
  if not job[1] then return -1 end
  if have_children and (run.outcome == "completed" or run.outcome == "park") then
    local pending = redis.call("SCARD", base .. run.id .. ":dependencies") > 0
    if pending and run.outcome == "completed" then return -4 end
    if redis.call("ZCARD", base .. run.id .. ":unsuccessful") > 0 then return -9 end
  end
  if run.token ~= "0" then
    if not lock then return -2 end
    if lock ~= run.token then return -6 end
    freed_locks[#freed_locks + 1] = base .. run.id .. ":lock"
    freed_ids[#freed_ids + 1] = run.id
  end
  if not leave_active(run.id) then return -3 end
  return nil
end

local function tell_parent(run, job)
  local parent_key, child_key = job[3], base .. run.id
  if run.outcome == "completed" then
    child_completed(parent_key, child_key, run.value, now_ms)
  else
    child_failed(parent_key, redis.call("HGET", base .. run.id, "parent"), child_key, run.value, now_ms)
  end
end

local function store(run, made)
  local job_key = base .. run.id
  if run.outcome == "completed" then
    completed[#completed + 1] = now
    completed[#completed + 1] = run.id
    redis.call("HSET", job_key, "atm", made, "returnvalue", run.value, "finishedOn", now)
  else
    -- At once: a child that fails in the same batch must find its parent failed.
    redis.call("ZADD", base .. "failed", now, run.id)
    redis.call("HSET", job_key, "atm", made, "failedReason", run.value, "stacktrace", run.stacktrace, "finishedOn", now)
    if run.tm ~= "" then redis.call("HSET", job_key, "tm", run.tm) end
    redis.call("HDEL", job_key, "defa", "cancelledOn")
  end
  if run.keep_count > 0 or run.keep_age then
    sweeps[table.concat({ run.outcome, run.keep_count, run.keep_age or "", run.keep_limit or "" }, " ")] = run
  end
end

local function finish(run, job)
  if job[4] then
    release_deduplication(base, job[4], run.id)
    add_parked(base, max, job[4], now_ms)
  end
  if job[3] then tell_parent(run, job) end
  local made = (tonumber(job[2]) or 0) + 1
  if run.keep_count == 0 then
    erased[#erased + 1] = run.id
    if job[3] then forget_child(job[3], base .. run.id) end
  else
    store(run, made)
  end
  local field = run.outcome == "completed" and "returnvalue" or "failedReason"
  if rows == 1 then
    emit_capped(base, max, run.outcome, "jobId", run.id, field, run.value, "prev", "active")
  else
    redis.call("XADD", base .. "events", "*", "event", run.outcome, "jobId", run.id, field, run.value, "prev", "active")
  end
  if run.outcome == "failed" and made >= run.attempts then
    emit(base, "retries-exhausted", "jobId", run.id, "attemptsMade", made)
  end
end

local function record_failure(run, made)
  local fields = { "HSET", base .. run.id }
  if made then fields[3], fields[4] = "atm", made end
  if run.stacktrace ~= "" then
    local last = #fields
    fields[last + 1], fields[last + 2] = "failedReason", run.value
    fields[last + 3], fields[last + 4] = "stacktrace", run.stacktrace
  end
  if run.tm ~= "" then
    local last = #fields
    fields[last + 1], fields[last + 2] = "tm", run.tm
  end
  if #fields > 2 then redis.call(unpack(fields)) end
end

local function put_back(run, job)
  local made = run.outcome == "retry" and (tonumber(job[2]) or 0) + 1 or nil
  local priority = tonumber(redis.call("HGET", base .. run.id, "priority")) or 0
  record_failure(run, made)
  if run.outcome == "release" and priority > 0 then
    -- In front of its priority: the place that no counted arrival can have.
    redis.call("ZADD", base .. "prioritized", string.format("%.0f", priority * PRIORITY_STEP), run.id)
  else
    make_ready(base, run.id, priority, run.next_up)
    made_ready = true
  end
  emit_capped(base, max, "waiting", "jobId", run.id, "prev", "active")
end

local function put_off(run, job)
  local made = run.outcome == "delay" and (tonumber(job[2]) or 0) + 1 or nil
  record_failure(run, made)
  redis.call("HSET", base .. run.id, "delay", string.format("%.0f", run.delay))
  hold_back(base, run.id, now_ms + run.delay)
  emit_capped(base, max, "delayed", "jobId", run.id, "delay", string.format("%.0f", now_ms + run.delay))
end

-- One that is to be failed (it was cancelled, or a child that fails it ended in this batch) need not wait for that.
local function park(run, job)
  local job_key = base .. run.id
  if not have_children or redis.call("SCARD", job_key .. ":dependencies") == 0
    or redis.call("HEXISTS", job_key, "defa") == 1 then
    run.outcome, run.next_up = "release", true
    return put_back(run, job)
  end
  redis.call("ZADD", base .. "waiting-children", now, run.id)
  emit(base, "waiting-children", "jobId", run.id, "prev", "active")
end

local APPLY = { completed = finish, failed = finish, retry = put_back, release = put_back, delay = put_off,
  postpone = put_off, park = park }

-- For a batch the stream is trimmed once, before what it adds; a single event trims as it is written.
if ending and rows > 1 then redis.call("XTRIM", base .. "events", "MAXLEN", "~", max) end
if retrying then promote_due(base, now_ms) end
local codes, jobs_of = {}, {}
for row, run in ipairs(runs) do
  jobs_of[row] = redis.call("HMGET", base .. run.id, "name", "atm", "parentKey", "deid")
  codes[row] = refusal(run, locks[row], jobs_of[row]) or 0
end
write_active()

-- A call that was refused altogether takes nothing either.
local held_back, accepted, ended = false, false, false
local counted = { completed = 0, failed = 0 }
for row, run in ipairs(runs) do
  if codes[row] == 0 then
    accepted = true
    ended = ended or run.outcome == "completed" or run.outcome == "failed"
    held_back = held_back or run.outcome == "delay" or run.outcome == "postpone"
    if counted[run.outcome] then counted[run.outcome] = counted[run.outcome] + 1 end
    APPLY[run.outcome](run, jobs_of[row])
  end
end

-- All that can go in one call for the whole batch; before the next jobs are taken, which may be the same ones.
delete_all(freed_locks)
call_with_all("SREM", base .. "stalled", freed_ids)
call_with_all("ZADD", base .. "completed", completed)
erase(base, erased)
for _, run in pairs(sweeps) do
  sweep(base .. run.outcome, base, now_ms, run.keep_count, run.keep_age, run.keep_limit)
end
if made_ready then wake(base) end
if ended and tonumber(ARGV[8]) > 0 then
  for state, jobs_ended in pairs(counted) do count_ended(base, state, jobs_ended, now_ms, tonumber(ARGV[8])) end
end

local limited, due, jobs, closed = 0, "-1", {}, false
if tonumber(ARGV[2]) > 0 and accepted then
  limited, due, jobs, closed = take(base, now, tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7])
end
if held_back and #jobs == 0 then mark_next_due(base) end
local quiet = not closed and #jobs == 0 and limited == 0 and due == "-1"
if ended and quiet and redis.call("EXISTS", base .. "wait", base .. "active", base .. "prioritized") == 0 then
  emit(base, "drained")
end
return { codes, limited, due, jobs }
