--- get_running: read which jobs run, by whom, and how long their locks live
-- KEYS 1 base   str   "prefix:queue:"
-- ARGV 1 count  int   look at so many at most, those that were taken first
-- RETURNS       list  for each job its id, its name, its worker's name, when it was taken (ms), for how many ms its lock lives (negative: it has none)
-- ERRORS        none
-- EVENTS        none
-- WRITES        none
-- COST          O(count)
-- RETRY         read
-- FLAGS         no-writes

local base = KEYS[1]
local ids = redis.pcall("LRANGE", base .. "active", "-" .. ARGV[1], -1)
local found = {}
if ids.err then return found end
for at = #ids, 1, -1 do
  local key = base .. ids[at]
  local job = redis.pcall("HMGET", key, "name", "pb", "processedOn")
  if not job.err and job[1] then
    found[#found + 1] = { ids[at], job[1], job[2] or "", job[3] or "0", redis.call("PTTL", key .. ":lock") }
  end
end
return found
