--- move_to_waiting_children: park an active job until its children have ended
-- KEYS 1 base    str   "prefix:queue:"
-- ARGV 1 id      str
-- ARGV 2 token   str   "0": needs no lock
-- ARGV 3 now     ms
-- ARGV 4 child   str   key of the one child to wait for; empty: all
-- RETURNS        int   0: parked; 1: nothing to wait for, the job is as it was
-- ERRORS -1      no such job
-- ERRORS -2      no lock
-- ERRORS -3      not active
-- ERRORS -6      another token's lock
-- ERRORS -9      a child that it depends on has failed
-- EVENTS         waiting-children
-- WRITES         active, stalled, waiting-children, events, <job>:lock
-- COST           O(active)
-- RETRY          token  a second time it is refused with -2
--@include events
--@include parking

return park_for_children(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4])
