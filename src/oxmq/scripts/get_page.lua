--- get_page: read the jobs of a state from a place on, which holds while others add, take and remove jobs
-- KEYS 1 base        str   "prefix:queue:"
-- ARGV 1 count       int   jobs to return at most (at most 250)
-- ARGV 2 newest      str   "1": newest (last to run) first
-- ARGV 3 container   int   in which of the containers to begin, from 1
-- ARGV 4 at          num   in a list how many entries come before, in a sorted set the score of the last one seen
-- ARGV 5 last        str   the last id seen; empty: begin at the beginning
-- ARGV 6 next        str   in a list, the id that followed it; empty: not known
-- ARGV 7.. containers list  wait, paused, active: lists; any other: a sorted set
-- RETURNS            list  for each entry its id and the job's hash, flat (empty where it has none); how many jobs there are in all; where to go on (container, at, last, next), empty at the end
-- ERRORS             none
-- EVENTS             none
-- WRITES             none
-- COST               O(log queue + jobs) for a sorted set; for a list, at most about 50,000 entries are searched for the place
-- RETRY              read
-- FLAGS              no-writes

local LISTS = { wait = true, paused = true, active = true }
-- How many entries around its former place are read, and how many from the end are searched, for an entry of a list.
local NEAR, FAR = 500, 50000
-- A page of large jobs is cut short, so that none takes long.
local MOST_BYTES = 4194304

local base, count, newest_first = KEYS[1], tonumber(ARGV[1]), ARGV[2] == "1"
local containers = {}
for i = 7, #ARGV do containers[#containers + 1] = ARGV[i] end

local function reversed(entries)
  for i = 1, math.floor(#entries / 2) do
    entries[i], entries[#entries - i + 1] = entries[#entries - i + 1], entries[i]
  end
  return entries
end

local function size_of(name)
  local size = redis.pcall(LISTS[name] and "LLEN" or "ZCARD", base .. name)
  return type(size) == "number" and size or 0
end

-- ---- lists: entries are numbered from 0 in the order of reading; the newest is at the head, the next to run at the tail

local function list_slice(key, first, most)
  if newest_first then return redis.call("LRANGE", key, first, first + most - 1) end
  return reversed(redis.call("LRANGE", key, -(first + most), -(first + 1)))
end

local function find_in_list(key, id, expected)
  if id == "" then return nil end
  if list_slice(key, expected, 1)[1] == id then return expected end
  local first = math.max(0, expected - NEAR)
  for i, entry in ipairs(list_slice(key, first, 2 * NEAR)) do
    if entry == id then return first + i - 1 end
  end
  local at = redis.call("LPOS", key, id, "RANK", newest_first and 1 or -1, "MAXLEN", FAR)
  if at then return newest_first and at or redis.call("LLEN", key) - 1 - at end
end

-- A job that was started took all that were to run before it along.
local function was_taken(id)
  local job = redis.pcall("HMGET", base .. id, "name", "processedOn")
  return not job.err and (not job[1] or job[2])
end

local function list_start(name, at, last, next)
  if last == "" then return 0 end
  local key = base .. name
  at = math.max(0, math.min(math.floor(at), redis.call("LLEN", key)))
  local found = find_in_list(key, next, at)
  if found then return found end
  found = find_in_list(key, last, math.max(0, at - 1))
  if found then return found + 1 end
  if not newest_first and name ~= "active" and was_taken(last) then return 0 end
  return at
end

-- Returns the ids, and for each the place to go on from behind it.
local function list_entries(name, at, last, next, most)
  local start = list_start(name, at, last, next)
  local ids, places = list_slice(base .. name, start, most + 1), {}
  for i, id in ipairs(ids) do places[i] = { string.format("%.0f", start + i), id, ids[i + 1] or "" } end
  return ids, places
end

-- ---- sorted sets: where an entry would be is known also when it has gone

local function is_before(one, other)
  for i = 1, math.min(#one, #other) do
    local a, b = string.byte(one, i), string.byte(other, i)
    if a ~= b then return a < b end
  end
  return #one < #other
end

-- How many members come before the given one, and whether it is there.
local function rank_of(key, score, id)
  if tonumber(redis.call("ZSCORE", key, id) or nil) == tonumber(score) then return redis.call("ZRANK", key, id), true end
  local low = redis.call("ZCOUNT", key, "-inf", "(" .. score)
  local high = low + redis.call("ZCOUNT", key, score, score)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if is_before(redis.call("ZRANGE", key, middle, middle)[1], id) then low = middle + 1 else high = middle end
  end
  return low, false
end

local function set_bounds(key, at, last, most)
  if last == "" then
    if newest_first then return -most, -1 end
    return 0, most - 1
  end
  local rank, is_there = rank_of(key, at, last)
  if newest_first then return math.max(0, rank - most), rank - 1 end
  if is_there then rank = rank + 1 end
  return rank, rank + most - 1
end

local function set_entries(name, at, last, most)
  local first, final = set_bounds(base .. name, at, last, most + 1)
  if final < first then return {}, {} end
  local found = redis.call("ZRANGE", base .. name, first, final, "WITHSCORES")
  local ids, places = {}, {}
  for i = 1, #found, 2 do
    ids[#ids + 1] = found[i]
    places[#places + 1] = { found[i + 1], found[i], "" }
  end
  if newest_first then return reversed(ids), reversed(places) end
  return ids, places
end

-- ---- the page

local function hash_of(id)
  local hash = redis.pcall("HGETALL", base .. id)
  if hash.err then return {}, 0 end
  local bytes = 0
  for _, value in ipairs(hash) do bytes = bytes + #value end
  return hash, bytes
end

local total = 0
for _, name in ipairs(containers) do total = total + size_of(name) end

local rows, bytes = {}, 0
local at, last, next = tonumber(ARGV[4]), ARGV[5], ARGV[6]
for index = tonumber(ARGV[3]), #containers do
  local name, ids, places = containers[index], {}, {}
  if LISTS[name] and size_of(name) > 0 then
    ids, places = list_entries(name, at, last, next, count - #rows)
  elseif size_of(name) > 0 then
    ids, places = set_entries(name, ARGV[4], last, count - #rows)
  end
  for i, id in ipairs(ids) do
    if #rows == count or bytes > MOST_BYTES then
      local place = i > 1 and places[i - 1] or { "0", "", "" }
      return { rows, total, { index, unpack(place) } }
    end
    local hash, size = hash_of(id)
    rows[#rows + 1] = { id, hash }
    bytes = bytes + size
  end
  at, last, next = 0, "", ""
end
return { rows, total, {} }
