--- add: store jobs that stand alone, and put each where its options say
-- KEYS 1 base      str   "prefix:queue:", with which every key of the queue begins
-- ARGV 1.. jobs    rows  id (empty: the counter gives it), name, data, opts, timestamp, delay, priority, next_up ("1": runs next)
-- RETURNS          list  the id of each job, in the order given; of a job that exists already, too
-- ERRORS           none
-- EVENTS           added, waiting, delayed, duplicated
-- WRITES           meta, id, wait, delayed, prioritized, pc, marker, events, <job>
-- COST             O(jobs); log(queue) for a delayed or prioritized one
-- RETRY            safe  where the client makes the ids: repeating it adds nothing twice
--@include events
--@include ready
--@include delayed
--@include batches

local ROW = 8
local base = KEYS[1]
local events = base .. "events"
local rows = #ARGV / ROW
local max = max_events(base)
local counter = redis.call("INCRBY", base .. "id", rows) - rows

-- One call tells whether any id is taken; only then is each one asked for.
local function any_taken()
  local keys, seen = {}, {}
  for row = 0, rows - 1 do
    local id = ARGV[row * ROW + 1]
    if id ~= "" then
      if seen[id] then return true end
      seen[id] = true
      keys[#keys + 1] = base .. id
    end
  end
  return #keys > 0 and redis.call("EXISTS", unpack(keys)) > 0
end

local ids, first_in, last_in = {}, {}, {}
local ready, held = false, false
local check = any_taken()

local function add_plain(id, name, data, opts, timestamp, delay_text, priority_text, next_up)
  local job_key, delay, priority = base .. id, tonumber(delay_text), tonumber(priority_text)
  if check and redis.call("EXISTS", job_key) == 1 then
    emit_capped(base, max, "duplicated", "jobId", id)
    return
  end
  redis.call("HSET", job_key, "name", name, "data", data, "opts", opts, "timestamp", timestamp, "delay", delay_text,
    "priority", priority_text)
  redis.call("XADD", events, "*", "event", "added", "jobId", id, "name", name)
  if delay > 0 then
    local due = tonumber(timestamp) + delay
    hold_back(base, id, due)
    emit_capped(base, max, "delayed", "jobId", id, "delay", string.format("%.0f", due))
    held = true
    return
  end
  if priority > 0 then
    prioritize(base, id, priority)
  else
    local list = next_up == "1" and last_in or first_in
    list[#list + 1] = id
  end
  redis.call("XADD", events, "MAXLEN", "~", max, "*", "event", "waiting", "jobId", id)
  ready = true
end

for row = 0, rows - 1 do
  local at = row * ROW
  local id = ARGV[at + 1]
  if id == "" then id = string.format("%.0f", counter + row + 1) end
  ids[row + 1] = id
  add_plain(id, unpack(ARGV, at + 2, at + 8))
end

call_with_all("LPUSH", base .. "wait", first_in)
call_with_all("RPUSH", base .. "wait", last_in)
if ready then wake(base) end
if held then mark_next_due(base) end
return ids
