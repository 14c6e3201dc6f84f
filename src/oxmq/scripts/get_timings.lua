--- get_timings: read how long the jobs took that ended last
-- KEYS 1 base       str   "prefix:queue:"
-- ARGV 1 container  str   completed or failed
-- ARGV 2 start      int   pass over so many, the newest first
-- ARGV 3 count      int   look at so many at most
-- RETURNS           list  for each job its name, for how many ms it ran and for how many it had waited since it could run (empty: not known)
-- ERRORS            none
-- EVENTS            none
-- WRITES            none
-- COST              O(log queue + count)
-- RETRY             read
-- FLAGS             no-writes
--@include options

local base, start, count = KEYS[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local ids = redis.pcall("ZREVRANGE", base .. ARGV[1], start, start + count - 1)
local found = {}
if ids.err then return found end

local function whole(ms) return ms and string.format("%.0f", math.max(0, ms)) or "" end

for _, id in ipairs(ids) do
  local job = redis.pcall("HMGET", base .. id, "name", "timestamp", "processedOn", "finishedOn", "ats", "opts")
  if not job.err and job[1] then
    local from, to = tonumber(job[3]), tonumber(job[4])
    -- Of a job that was started again, it is not known since when it could be.
    local since = (tonumber(job[5]) or 1) <= 1 and tonumber(job[2])
    found[#found + 1] = { job[1], whole(from and to and to - from),
      whole(from and since and from - since - given_delay(job[6])) }
  end
end
return found
