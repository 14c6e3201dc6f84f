--- remove_scheduler: remove a scheduler, and its next job while that is delayed
-- KEYS 1 base        str   "prefix:queue:"
-- ARGV 1 scheduler   str   its id
-- RETURNS            int   1; 0 when there was none
-- ERRORS             none
-- EVENTS             removed
-- WRITES             repeat, repeat:<scheduler>, delayed, events, <job>
-- COST               O(log delayed)
-- RETRY              safe
--@include iterations
--@include erase

local base, scheduler = KEYS[1], ARGV[1]
local current = redis.call("ZSCORE", base .. "repeat", scheduler)
if not current then return 0 end
local id = iteration_id(scheduler, tonumber(current))
if redis.call("ZREM", base .. "delayed", id) == 1 then
  erase(base, { id })
  emit(base, "removed", "jobId", id, "prev", "delayed")
end
redis.call("ZREM", base .. "repeat", scheduler)
redis.call("DEL", record_key(base, scheduler))
return 1
