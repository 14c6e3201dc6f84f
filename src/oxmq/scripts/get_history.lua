--- get_history: read what went on in the minutes up to one
-- KEYS 1 base    str   "prefix:queue:"
-- ARGV 1 since   int   ms, when the first minute begins
-- ARGV 2 last    int   ms, when the last minute begins
-- ARGV 3 kept    int   how many minutes of counts are kept
-- ARGV 4 limit   int   read the last so many minutes
-- RETURNS        list  the entries of the stream, the newest first; what workers counted, in no order, older minutes among it
-- ERRORS         none
-- EVENTS         none
-- WRITES         none
-- COST           O(minutes)
-- RETRY          read
-- FLAGS          no-writes

local MINUTE = 60000
local base, kept = KEYS[1], tonumber(ARGV[3])
local last = math.floor(tonumber(ARGV[2]) / MINUTE)
local most = math.min(tonumber(ARGV[4]), kept)
local first = math.max(math.ceil(tonumber(ARGV[1]) / MINUTE), last - most + 1)
local entries = redis.call("XREVRANGE", base .. "oxmq:history", "+", ARGV[1], "COUNT", most)

local fields, found = {}, {}
for minute = first, last do fields[#fields + 1] = string.format("%.0f", minute % kept) end
local counted = #fields > 0 and redis.call("HMGET", base .. "oxmq:counts", unpack(fields)) or {}
for _, value in ipairs(counted) do
  if value then found[#found + 1] = value end
end
return { entries, found }
