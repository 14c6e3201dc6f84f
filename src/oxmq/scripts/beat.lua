--- beat: note that a worker is there and how it is, and forget those that have been silent
-- KEYS 1 base     str   "prefix:queue:"
-- ARGV 1 id       str   the worker's
-- ARGV 2 beat     json  how it is; its first member is at_ms
-- ARGV 3 oldest   int   ms: forget workers that were heard of last before it; empty: forget none
-- ARGV 4 ttl      int   ms after which everything is forgotten unless somebody beats
-- RETURNS         int   how many workers were forgotten
-- ERRORS          none
-- EVENTS          none
-- WRITES          oxmq:workers
-- COST            O(1), and O(workers) when some are to be forgotten
-- RETRY           safe
-- FLAGS           allow-oom

local key = KEYS[1] .. "oxmq:workers"
local oldest, silent = tonumber(ARGV[3]), {}
if oldest then
  local beats = redis.call("HGETALL", key)
  for i = 1, #beats, 2 do
    local at = tonumber(string.match(beats[i + 1], '^{"at_ms":(%d+)'))
    if beats[i] ~= ARGV[1] and (not at or at < oldest) then silent[#silent + 1] = beats[i] end
  end
end
redis.call("HSET", key, ARGV[1], ARGV[2])
for _, id in ipairs(silent) do redis.call("HDEL", key, id) end
redis.call("PEXPIRE", key, ARGV[4])
return #silent
