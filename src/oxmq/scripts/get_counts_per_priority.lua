--- get_counts_per_priority: count the ready jobs of each priority, all at one moment
-- KEYS 1 base          str   "prefix:queue:"
-- ARGV 1.. priorities  list  0: those without priority
-- RETURNS              list  the count of each, in the order given
-- ERRORS               none
-- EVENTS               none
-- WRITES               none
-- COST                 O(priorities x log prioritized)
-- RETRY                read
-- FLAGS                no-writes

-- A score's room for one priority.
local STEP = 4294967296
local base, counts = KEYS[1], {}
for i, word in ipairs(ARGV) do
  local priority = tonumber(word)
  if priority == 0 then
    counts[i] = redis.call("LLEN", base .. "wait") + redis.call("LLEN", base .. "paused")
  else
    counts[i] = redis.call("ZCOUNT", base .. "prioritized", string.format("%.0f", priority * STEP),
      string.format("%.0f", (priority + 1) * STEP - 1))
  end
end
return counts
