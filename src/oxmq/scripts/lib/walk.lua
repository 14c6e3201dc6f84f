--- walk: go through a container a piece at a time, from the job next to run on, and take some of its jobs out
--@include batches

local LISTS = { wait = true, paused = true, active = true }
-- What stands for an entry that is taken out of a list until the end of the call. No job can have this id.
local GONE = "0:gone"

-- A place is the id of the last entry that stayed, and where it was: in a list how many entries from the tail, in a
-- sorted set its score. Others add and take between two calls, so that the entry must be found again.
local function entries_behind(key, id, at, reach)
  at = tonumber(at)
  if id == "" or redis.call("LINDEX", key, -at) == id then return at end
  local near = math.max(1, at - reach)
  local window = redis.call("LRANGE", key, -(at + reach), -near)
  for i, entry in ipairs(window) do
    if entry == id then return near + #window - i end
  end
  -- It was taken, and with it all that were to run before it.
  return 0
end

local function rank_behind(key, id, score)
  if id == "" then return 0 end
  local rank = redis.call("ZRANK", key, id)
  return rank and rank + 1 or redis.call("ZCOUNT", key, "-inf", "(" .. score)
end

-- Each returns the ids of the next `count` entries in order, and where each of them is.
local function next_of_list(key, id, at, count)
  local behind = entries_behind(key, id, at, count)
  local found = redis.call("LRANGE", key, -(behind + count), -(behind + 1))
  local ids, places = {}, {}
  for i = #found, 1, -1 do
    ids[#ids + 1] = found[i]
    places[#places + 1] = behind + #places + 1
  end
  return ids, places
end

local function next_of_set(key, id, score, count)
  local first = rank_behind(key, id, score)
  local found = redis.call("ZRANGE", key, first, first + count - 1, "WITHSCORES")
  local ids, places = {}, {}
  for i = 1, #found, 2 do
    ids[#ids + 1] = found[i]
    places[#places + 1] = found[i + 1]
  end
  return ids, places
end

-- The entries are marked where they are, and then all cut out from whichever end is nearer: to search for each one's
-- id would take as long as the list is.
local function cut_from_list(key, places)
  if #places == 0 then return end
  for _, place in ipairs(places) do redis.call("LSET", key, -place, GONE) end
  local from_tail = 2 * places[#places] <= redis.call("LLEN", key)
  redis.call("LREM", key, from_tail and -#places or #places, GONE)
end

-- Looks at up to `count` entries from a place on, and takes out up to `most` of those that `is_wanted` (given the id
-- and where it is) says true to; where it says nil, the walk is over.
-- Returns the ids taken out, how many entries were looked at, whether there may be more, and the place to go on from.
local function take_piece(base, container, id, at, count, most, is_wanted)
  local key, is_list = base .. container, LISTS[container]
  local ids, places = (is_list and next_of_list or next_of_set)(key, id, at, count)
  local gone, gone_places, looked, more = {}, {}, 0, #ids == count
  for i, candidate in ipairs(ids) do
    if #gone == most then
      more = true
      break
    end
    local wanted = is_wanted(candidate, places[i])
    if wanted == nil then
      more = false
      break
    end
    looked = i
    if wanted then
      gone[#gone + 1] = candidate
      gone_places[#gone_places + 1] = places[i]
    else
      -- What goes from behind it brings it nearer to the tail.
      id, at = candidate, is_list and places[i] - #gone or places[i]
    end
  end
  if is_list then cut_from_list(key, gone_places) else call_with_all("ZREM", key, gone) end
  return gone, looked, more, id, at
end
