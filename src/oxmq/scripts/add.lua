--- add: store jobs and put each where its options say
-- KEYS 1 base      str   "prefix:queue:", with which every key of the queue begins
-- ARGV 1.. jobs    rows  id (empty: the counter gives it), name, data, opts, timestamp, delay, priority, next_up ("1": runs next), relations (JSON: parentKey, parent, children, de; empty for none)
-- RETURNS          list  for each job, in the order given: its id; of a job that exists already, too; the id of the job that stands in for a deduplicated one; or a code
-- ERRORS -5        the parent does not exist
-- ERRORS -7        the job exists and belongs to another living parent
-- EVENTS           added, waiting, delayed, waiting-children, duplicated, deduplicated, removed
-- WRITES           meta, id, wait, delayed, prioritized, pc, waiting-children, marker, events, de, dn, <job>, the parent's :dependencies and :processed, and where it waits
-- COST             O(jobs); log(queue) for a delayed or prioritized one; O(active) for a deduplicated one with keepLastIfActive
-- RETRY            safe  where the client makes the ids: repeating it adds nothing twice
--@include events
--@include ready
--@include delayed
--@include batches
--@include add_job

local ROW = 9
local base = KEYS[1]
local events = base .. "events"
local rows = #ARGV / ROW

-- Without its parent a job is not added, and takes no number from the counter.
local function is_orphan(relations)
  return relations.parentKey and redis.call("EXISTS", relations.parentKey) == 0
end

-- Where nothing can be added nothing is written, not even what a first add writes down for its queue.
local function are_all_orphans()
  for row = 1, rows do
    local relations = ARGV[row * ROW]
    if relations == "" or not is_orphan(cjson.decode(relations)) then return false end
  end
  return true
end

local ids, first_in, last_in = {}, {}, {}
if are_all_orphans() then
  for row = 1, rows do ids[row] = -5 end
  return ids
end
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

local ready, held = false, false
local check = any_taken()

local function push_ready()
  call_with_all("LPUSH", base .. "wait", first_in)
  call_with_all("RPUSH", base .. "wait", last_in)
  if ready then wake(base) end
  first_in, last_in, ready = {}, {}, false
end

local function add_related(at, id, relations)
  if belongs_elsewhere(base, id, relations) then return -7 end
  push_ready()
  return add_job(base, max, { id = id, name = ARGV[at + 2], data = ARGV[at + 3], opts = ARGV[at + 4],
    timestamp = tonumber(ARGV[at + 5]), delay = tonumber(ARGV[at + 6]), priority = tonumber(ARGV[at + 7]),
    next_up = ARGV[at + 8] == "1" }, relations)
end

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

local orphans = 0
for row = 0, rows - 1 do
  local at = row * ROW
  local id = ARGV[at + 1]
  if id == "" then id = string.format("%.0f", counter + row + 1 - orphans) end
  ids[row + 1] = id
  if ARGV[at + 9] == "" then
    add_plain(id, unpack(ARGV, at + 2, at + 8))
  else
    local relations = cjson.decode(ARGV[at + 9])
    if is_orphan(relations) then
      ids[row + 1] = -5
      orphans = orphans + 1
    else
      ids[row + 1] = add_related(at, id, relations)
    end
  end
end
if orphans > 0 then redis.call("DECRBY", base .. "id", orphans) end

push_ready()
if held then mark_next_due(base) end
return ids
