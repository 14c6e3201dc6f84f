--- get_jobs: read a page of the jobs in one container
-- KEYS 1 base        str   "prefix:queue:"
-- ARGV 1 container   str   wait, paused, active: a list; any other: a sorted set
-- ARGV 2 start       int   index of the first, from 0
-- ARGV 3 stop        int   index of the last; -1: the end
-- ARGV 4 oldest      str   "1": oldest (next to run) first
-- RETURNS            list  how many ids the page has; for each job its id and its hash, flat (ids without a job are left out)
-- ERRORS             none
-- EVENTS             none
-- WRITES             none
-- COST               O(start + jobs) for a list, O(log queue + jobs) for a sorted set
-- RETRY              read
-- FLAGS              no-writes

local LISTS = { wait = true, paused = true, active = true }
local base, container, start, stop = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local oldest_first = ARGV[4] == "1"

local function page()
  local key = base .. container
  if not LISTS[container] then return redis.call(oldest_first and "ZRANGE" or "ZREVRANGE", key, start, stop) end
  if not oldest_first then return redis.call("LRANGE", key, start, stop) end
  -- The oldest is at the tail.
  local ids = redis.call("LRANGE", key, stop == -1 and 0 or -(stop + 1), -(start + 1))
  for i = 1, math.floor(#ids / 2) do ids[i], ids[#ids - i + 1] = ids[#ids - i + 1], ids[i] end
  return ids
end

local ids, found = page(), {}
for _, id in ipairs(ids) do
  local hash = redis.call("HGETALL", base .. id)
  if #hash > 0 then found[#found + 1] = { id, hash } end
end
return { #ids, found }
