--- drain: delete the next jobs of a container that have not begun, all but the schedulers' next ones
-- KEYS 1 base        str   "prefix:queue:"
-- ARGV 1 container   str   wait, paused, prioritized, delayed
-- ARGV 2 count       int   look at this many entries (at most 1,000)
-- ARGV 3 id          str   where to go on: what the last call said; empty to begin
-- ARGV 4 at          str   the same; "0" to begin
-- RETURNS            list  how many were deleted, entries looked at, entries there were, 1 if there may be more, and where to go on: id, at
-- ERRORS             none
-- EVENTS             none
-- WRITES             the container, de, dn, <job> and its parts, the parent's
-- COST               O(count + log queue) for a sorted set; O(count), and where entries go from the middle of a list, one pass to its nearer end
-- RETRY              safe
-- FLAGS              allow-oom
--@include walk
--@include upcoming
--@include drop

local base, container, count = KEYS[1], ARGV[1], tonumber(ARGV[2])
local length = redis.call(LISTS[container] and "LLEN" or "ZCARD", base .. container)
local gone, looked, more, id, at = take_piece(base, container, ARGV[3], ARGV[4], count, count,
  function(candidate) return not is_upcoming(base, candidate) end)
drop_all(base, gone)
return { #gone, looked, length, more and 1 or 0, id, tostring(at) }
