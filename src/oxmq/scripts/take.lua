--- take: move ready jobs to active and lock them with one token
-- KEYS 1 base       str   "prefix:queue:"
-- ARGV 1 now        ms
-- ARGV 2 count      int   at most this many (at most 1,000)
-- ARGV 3 token      str   goes into each lock; "0" locks nothing
-- ARGV 4 lock_ms    int   how long a lock lives
-- ARGV 5 limit_max  int   the worker's own rate limit: starts in a window; empty for none
-- ARGV 6 limit_ms   int   length of that window
-- ARGV 7 worker     str   the worker's name; empty for none
-- RETURNS           list  ms for which the queue is rate limited, ms when the next delayed job is due (-1: none), and each job's id and hash as it was
-- ERRORS            none
-- EVENTS            active, waiting
-- WRITES            wait, active, prioritized, pc, delayed, marker, limiter, events, <job>, <job>:lock
-- COST              O(count), and up to 1,000 due delayed jobs
-- RETRY             never  a reply that was lost leaves jobs locked by the token: hand_back finds them
--@include take

local limited, due, jobs = take(KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7])
return { limited, due, jobs }
