--- hand_back: return to the queue the jobs that were locked by a take whose reply was lost
-- KEYS 1 base      str   "prefix:queue:"
-- ARGV 1 token     str   the token of that take
-- RETURNS          list  ids handed back; they run next, and no attempt is counted
-- ERRORS           none
-- EVENTS           waiting
-- WRITES           active, stalled, wait, marker, events, <job>:lock
-- COST             O(active)
-- RETRY            safe
-- FLAGS            allow-oom
--@include events
--@include ready

local base, token = KEYS[1], ARGV[1]
local returned = {}
local max = max_events(base)
for _, id in ipairs(redis.call("LRANGE", base .. "active", 0, -1)) do
  if redis.call("GET", base .. id .. ":lock") == token then
    redis.call("DEL", base .. id .. ":lock")
    redis.call("SREM", base .. "stalled", id)
    redis.call("LREM", base .. "active", 1, id)
    make_ready(base, id, tonumber(redis.call("HGET", base .. id, "priority")) or 0, true)
    emit_capped(base, max, "waiting", "jobId", id, "prev", "active")
    returned[#returned + 1] = id
  end
end
if #returned > 0 then wake(base) end
return returned
