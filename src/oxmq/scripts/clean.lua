--- clean: delete the old ones among the next jobs of a container
-- KEYS 1 base        str   "prefix:queue:"
-- ARGV 1 container   str   wait, paused, active, delayed, prioritized, completed, failed, waiting-children
-- ARGV 2 cutoff      ms    old is what is not younger than this
-- ARGV 3 count       int   look at this many entries (at most 1,000)
-- ARGV 4 most        int   delete at most this many of them
-- ARGV 5 id          str   where to go on: what the last call said; empty to begin
-- ARGV 6 at          str   the same; "0" to begin
-- ARGV 7 first       str   "1" on the first call of a clean, which writes its event even when there was nothing to do
-- RETURNS            list  ids deleted, entries looked at, entries there were, 1 if there may be more, and where to go on: id, at
-- ERRORS             none
-- EVENTS             cleaned
-- WRITES             the container, events, de, dn, <job> and its parts, the parent's
-- COST               O(count + log queue) for a sorted set; O(count), and where entries go from the middle of a list, one pass to its nearer end
-- RETRY              never  with a limit, others would go in place of those that went already
-- FLAGS              allow-oom
--@include events
--@include walk
--@include upcoming
--@include drop

local base, container, cutoff = KEYS[1], ARGV[1], tonumber(ARGV[2])

-- The first of these fields that a job has tells its age; of a job that ended, or waits for children, its score does.
local ENDED_BEGUN_MADE = { "finishedOn", "processedOn", "timestamp" }
local AGES = { wait = ENDED_BEGUN_MADE, paused = ENDED_BEGUN_MADE, active = ENDED_BEGUN_MADE,
  delayed = { "processedOn", "timestamp" }, prioritized = { "timestamp" } }
local fields = AGES[container]

local function is_old(id)
  for _, time in ipairs(redis.call("HMGET", base .. id, unpack(fields))) do
    if time then return tonumber(time) <= cutoff end
  end
  return true
end

local function is_wanted(id, score)
  -- Scores ascend: behind the first one that is too young there are only younger ones.
  if not fields then return tonumber(score) <= cutoff or nil end
  if not is_old(id) or is_upcoming(base, id) then return false end
  return container ~= "active" or redis.call("EXISTS", base .. id .. ":lock") == 0
end

local length = redis.call(LISTS[container] and "LLEN" or "ZCARD", base .. container)
local gone, looked, more, id, at = take_piece(base, container, ARGV[5], ARGV[6], tonumber(ARGV[3]), tonumber(ARGV[4]), is_wanted)
if container == "active" then call_with_all("SREM", base .. "stalled", gone) end
drop_all(base, gone)
if #gone > 0 or ARGV[7] == "1" then emit(base, "cleaned", "count", #gone) end
return { gone, looked, length, more and 1 or 0, id, tostring(at) }
