--- add: store jobs and put each where its options say
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

for row = 0, rows - 1 do
  local at = row * ROW
  local id, delay, priority = ARGV[at + 1], tonumber(ARGV[at + 6]), tonumber(ARGV[at + 7])
  if id == "" then id = string.format("%.0f", counter + row + 1) end
  local job_key = base .. id
  ids[row + 1] = id
  if check and redis.call("EXISTS", job_key) == 1 then
    emit_capped(base, max, "duplicated", "jobId", id)
  else
    redis.call("HSET", job_key, "name", ARGV[at + 2], "data", ARGV[at + 3], "opts", ARGV[at + 4],
      "timestamp", ARGV[at + 5], "delay", ARGV[at + 6], "priority", ARGV[at + 7])
    redis.call("XADD", events, "*", "event", "added", "jobId", id, "name", ARGV[at + 2])
    if delay > 0 then
      local due = tonumber(ARGV[at + 5]) + delay
      hold_back(base, id, due)
      emit_capped(base, max, "delayed", "jobId", id, "delay", string.format("%.0f", due))
      held = true
    else
      if priority > 0 then
        prioritize(base, id, priority)
      else
        local list = ARGV[at + 8] == "1" and last_in or first_in
        list[#list + 1] = id
      end
      redis.call("XADD", events, "MAXLEN", "~", max, "*", "event", "waiting", "jobId", id)
      ready = true
    end
  end
end

call_with_all("LPUSH", base .. "wait", first_in)
call_with_all("RPUSH", base .. "wait", last_in)
if ready then wake(base) end
if held then mark_next_due(base) end
return ids
