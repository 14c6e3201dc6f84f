--- get_scheduler_runs: find the newest jobs of a scheduler that were started
-- KEYS 1 base        str   "prefix:queue:"
-- ARGV 1 scheduler   str   its id
-- ARGV 2 count       int   return at most so many of each state
-- ARGV 3 reach       int   look at the newest so many jobs of each state
-- RETURNS            list  for each its id, its state, and when it started and ended in ms, as they are stored
-- ERRORS             none
-- EVENTS             none
-- WRITES             none
-- COST               O(reach)
-- RETRY              read
-- FLAGS              no-writes

local base, count, reach = KEYS[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local prefix = "repeat:" .. ARGV[1] .. ":"

local function is_of_scheduler(id)
  return string.sub(id, 1, #prefix) == prefix and string.find(id, "^%d+$", #prefix + 1)
end

local runs = {}
local function look(state, ids)
  local found = 0
  for _, id in ipairs(ids) do
    if found == count then return end
    if is_of_scheduler(id) then
      found = found + 1
      local job = redis.call("HMGET", base .. id, "processedOn", "finishedOn")
      runs[#runs + 1] = { id, state, job[1], job[2] }
    end
  end
end

look("active", redis.call("LRANGE", base .. "active", 0, reach - 1))
look("completed", redis.call("ZREVRANGE", base .. "completed", 0, reach - 1))
look("failed", redis.call("ZREVRANGE", base .. "failed", 0, reach - 1))
return runs
