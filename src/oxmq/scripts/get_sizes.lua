--- get_sizes: estimate how much memory the jobs of a queue take
-- KEYS 1 base   str   "prefix:queue:"
-- ARGV 1 count  int   weigh so many jobs of each container at most, some from each end
-- RETURNS       list  for each container how many jobs it has, how many were weighed, and what these take (bytes); last what the queue's own keys take
-- ERRORS        none
-- EVENTS        none
-- WRITES        none
-- COST          O(log queue + count)
-- RETRY         read
-- FLAGS         no-writes

local LISTS = { "wait", "paused", "active" }
local SETS = { "delayed", "prioritized", "waiting-children", "completed", "failed" }
local OWN = { "wait", "paused", "active", "delayed", "prioritized", "waiting-children", "completed", "failed", "events",
  "meta", "stalled", "repeat", "oxmq:history", "oxmq:counts", "oxmq:workers",
  "oxmq:relayed" }
local base, half = KEYS[1], math.ceil(ARGV[1] / 2)

-- More than a job has fields: of those the data is the one that counts.
local FIELDS = 50

local function size(key, samples)
  local bytes = redis.pcall("MEMORY", "USAGE", key, "SAMPLES", samples)
  return type(bytes) == "number" and bytes or 0
end

local function weigh(name, length, range)
  local count = redis.pcall(length, base .. name)
  if type(count) ~= "number" then return { 0, 0, 0 } end
  local ids = redis.call(range, base .. name, 0, half - 1)
  if count > half then
    for _, id in ipairs(redis.call(range, base .. name, math.max(half - count, -half), -1)) do ids[#ids + 1] = id end
  end
  local bytes = 0
  for _, id in ipairs(ids) do
    local key = base .. id
    bytes = bytes + size(key, FIELDS)
    for _, part in ipairs({ ":logs", ":dependencies", ":processed" }) do bytes = bytes + size(key .. part, 3) end
  end
  return { count, #ids, bytes }
end

local found, own = {}, 0
for _, name in ipairs(LISTS) do found[#found + 1] = weigh(name, "LLEN", "LRANGE") end
for _, name in ipairs(SETS) do found[#found + 1] = weigh(name, "ZCARD", "ZRANGE") end
for _, name in ipairs(OWN) do own = own + size(base .. name, 3) end
found[#found + 1] = own
return found
