--- get_failures: read of failed jobs what tells why they failed
-- KEYS 1 base    str   "prefix:queue:"
-- ARGV 1 start   int   how many of the newest are passed over
-- ARGV 2 count   int   how many are read at most (at most 250)
-- ARGV 3 most    int   of longer stack traces, and of longer reasons, only so many bytes are read: of traces the last ones
-- RETURNS        list  how many failed jobs there are; how many were looked at; for each that exists its id, name, reason, stack traces (a JSON array, perhaps without its beginning) and when it failed
-- ERRORS         none
-- EVENTS         none
-- WRITES         none
-- COST           O(count + log failed)
-- RETRY          read
-- FLAGS          no-writes

local base, start, count, most = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local ids = redis.call("ZREVRANGE", base .. "failed", start, start + count - 1)
local rows = {}
for _, id in ipairs(ids) do
  local job = redis.pcall("HMGET", base .. id, "name", "failedReason", "stacktrace", "finishedOn")
  -- A key of another type is no job.
  if not job.err and job[1] then
    rows[#rows + 1] = { id, job[1], string.sub(job[2] or "", 1, most), string.sub(job[3] or "", -most), job[4] or "0" }
  end
end
return { redis.call("ZCARD", base .. "failed"), #ids, rows }
