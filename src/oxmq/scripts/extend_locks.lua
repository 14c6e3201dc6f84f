--- extend_locks: renew the locks of the jobs that a worker is running
-- KEYS 1 base      str   "prefix:queue:"
-- ARGV 1 lock_ms   int   the locks' new time to live
-- ARGV 2.. locks   rows  job id, token (at most 1,000 pairs)
-- RETURNS          list  the ids whose lock is gone or another's, in the order given
-- ERRORS           none
-- EVENTS           none
-- WRITES           <job>:lock, stalled
-- COST             O(locks)
-- RETRY            safe
-- FLAGS            allow-oom
--@include batches

local base, lost, kept = KEYS[1], {}, {}
for at = 2, #ARGV, 2 do
  local id, token = ARGV[at], ARGV[at + 1]
  local lock_key = base .. id .. ":lock"
  if redis.call("GET", lock_key) == token then
    redis.call("PEXPIRE", lock_key, ARGV[1])
    kept[#kept + 1] = id
  else
    lost[#lost + 1] = id
  end
end
call_with_all("SREM", base .. "stalled", kept)
return lost
