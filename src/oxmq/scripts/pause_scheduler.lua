--- pause_scheduler: have a scheduler make no jobs until it is resumed, and remove its next one while that is delayed
-- KEYS 1 base        str   "prefix:queue:"
-- ARGV 1 scheduler   str   its id
-- RETURNS            int   1; 0 when it was paused already
-- ERRORS -12         there is no such scheduler
-- ERRORS -13         it is one of BullMQ's older kind
-- EVENTS             removed
-- WRITES             repeat, repeat:<scheduler>, delayed, events, <job>
-- COST               O(log delayed)
-- RETRY              safe
--@include iterations
--@include pausing
--@include drop

local base, scheduler = KEYS[1], ARGV[1]
local key = record_key(base, scheduler)
local due = tonumber(redis.call("ZSCORE", base .. "repeat", scheduler) or nil)
if not due then return -12 end
local record = redis.call("HMGET", key, "ic", "paused")
if not record[1] then return -13 end
if record[2] then return 0 end

local id = iteration_id(scheduler, due)
local made = tonumber(record[1]) or 1

-- Which number among the scheduler's jobs the given one has.
local function number_of(opts)
  local is_json, options = pcall(cjson.decode, opts or "")
  local given = is_json and type(options) == "table" and type(options["repeat"]) == "table" and options["repeat"]
  return given and tonumber(given.count) or made
end

local job = redis.call("HMGET", base .. id, "opts", "ats")
local count = number_of(job[1])
-- One that has been started may be delayed until it is tried again: it ends as any other.
if not job[2] and redis.call("ZREM", base .. "delayed", id) == 1 then
  drop(base, id)
  emit(base, "removed", "jobId", id, "prev", "delayed")
  redis.call("HSET", key, "ic", string.format("%.0f", made - 1))
else
  count = count + 1
end
note_paused(base, scheduler, key, due, count)
return 1
