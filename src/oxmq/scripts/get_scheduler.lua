--- get_scheduler: read one scheduler
-- KEYS 1 base        str   "prefix:queue:"
-- ARGV 1 scheduler   str   its id
-- RETURNS            list  when its job is due in ms, and its record, flat; nil: there is none
-- ERRORS             none
-- EVENTS             none
-- WRITES             none
-- COST               O(1)
-- RETRY              read
-- FLAGS              no-writes

local base, scheduler = KEYS[1], ARGV[1]
local due = redis.call("ZSCORE", base .. "repeat", scheduler)
if not due then return false end
return { due, redis.call("HGETALL", base .. "repeat:" .. scheduler) }
