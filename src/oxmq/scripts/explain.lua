--- explain: read what tells why a job is where it is
-- KEYS 1 base      str   "prefix:queue:"
-- ARGV 1 id        str
-- ARGV 2 children  int   look at about so many of the children that it waits for
-- RETURNS          list  nothing where there is no such job, else three flat lists of names and values (some fields of the hash; where the job is; how its queue is) and for each child its key, state, name, failure reason, how long its lock lives, and whether its queue is paused
-- ERRORS           none
-- EVENTS           none
-- WRITES           none
-- COST             O(children + log queue), and at most 50,000 elements of each list are searched, 500 for a child
-- RETRY            read
-- FLAGS            no-writes

local FIELDS = { "name", "opts", "delay", "priority", "timestamp", "processedOn", "finishedOn", "failedReason", "atm",
  "attemptsMade", "ats", "stc", "defa", "cancelledOn", "pb", "rjk", "dueOn" }
local SETS = { "completed", "failed", "delayed", "prioritized", "waiting-children" }
-- A score in `prioritized` is the priority times this, plus a number that keeps the order of arrival.
local PRIORITY_STEP = 4294967296
-- How far lists are searched, from each end: for the job, and for each child.
local FAR, NEAR = 25000, 250

-- Returns how many elements of a list come before the job, counted from the tail, where workers take.
local function ahead_in(list, id, reach)
  local at = redis.call("LPOS", list, id, "RANK", -1, "MAXLEN", reach) or redis.call("LPOS", list, id, "MAXLEN", reach)
  return at and redis.call("LLEN", list) - 1 - at
end

-- Returns the state, the score in a set or the number of those ahead in a list.
local function locate(base, id, reach)
  for _, name in ipairs(SETS) do
    local score = redis.call("ZSCORE", base .. name, id)
    if score then return name, score end
  end
  if ahead_in(base .. "active", id, reach) then return "active" end
  local ahead = ahead_in(base .. "wait", id, reach)
  if ahead then return "waiting", ahead end
  ahead = ahead_in(base .. "paused", id, reach)
  if ahead then return "waiting", ahead end
  -- In the middle of a long list; a list that was searched whole does not hold it.
  if redis.call("LLEN", base .. "wait") > 2 * reach then return "waiting" end
  return "unknown"
end

local function fields_of(job_key)
  local values, fields = redis.call("HMGET", job_key, unpack(FIELDS)), {}
  for i, name in ipairs(FIELDS) do
    if values[i] then
      fields[#fields + 1] = name
      fields[#fields + 1] = values[i]
    end
  end
  return fields
end

local function add(facts, name, value)
  if value then
    facts[#facts + 1] = name
    facts[#facts + 1] = tostring(value)
  end
end

local function place_of(base, id)
  local state, where = locate(base, id, FAR)
  local facts, job_key = {}, base .. id
  add(facts, "state", state)
  if state == "waiting" then
    add(facts, "ahead", where)
  elseif state == "prioritized" then
    local priority = math.floor(tonumber(where) / PRIORITY_STEP)
    add(facts, "ahead", redis.call("LLEN", base .. "wait") + redis.call("ZRANK", base .. "prioritized", id))
    add(facts, "better", redis.call("LLEN", base .. "wait")
      + redis.call("ZCOUNT", base .. "prioritized", "-inf", "(" .. string.format("%.0f", priority * PRIORITY_STEP)))
  else
    add(facts, "score", where)
  end
  add(facts, "lock_ms", redis.call("PTTL", job_key .. ":lock"))
  add(facts, "processed", redis.call("HLEN", job_key .. ":processed"))
  add(facts, "pending", redis.call("SCARD", job_key .. ":dependencies"))
  add(facts, "ignored", redis.call("HLEN", job_key .. ":failed"))
  add(facts, "unsuccessful", redis.call("ZCARD", job_key .. ":unsuccessful"))
  return facts
end

local function queue_facts(base)
  local facts, meta = {}, redis.call("HMGET", base .. "meta", "paused", "concurrency", "max", "duration")
  add(facts, "paused", meta[1] and 1)
  add(facts, "concurrency", meta[2])
  add(facts, "max", meta[3])
  add(facts, "duration", meta[4])
  add(facts, "active", redis.call("LLEN", base .. "active"))
  add(facts, "started", redis.call("GET", base .. "limiter"))
  add(facts, "limited_ms", redis.call("PTTL", base .. "limiter"))
  return facts
end

local function child_of(child_key)
  local base, id = string.match(child_key, "^(.*:)([^:]+)$")
  if not base then return { child_key, "gone", "", "", "-2", "" } end
  local job = redis.call("HMGET", child_key, "name", "failedReason")
  local state = job[1] and locate(base, id, NEAR) or "gone"
  local paused = redis.call("HEXISTS", base .. "meta", "paused") == 1 and "1" or ""
  return { child_key, state, job[1] or "", job[2] or "", tostring(redis.call("PTTL", child_key .. ":lock")), paused }
end

local base, id = KEYS[1], ARGV[1]
if not redis.call("HGET", base .. id, "name") then return {} end
local children = {}
for _, child_key in ipairs(redis.call("SSCAN", base .. id .. ":dependencies", 0, "COUNT", ARGV[2])[2]) do
  children[#children + 1] = child_of(child_key)
end
return { fields_of(base .. id), place_of(base, id), queue_facts(base), children }
