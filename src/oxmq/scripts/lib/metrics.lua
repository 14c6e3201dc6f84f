--- metrics: count the jobs that end in each minute

-- Points are per minute, newest first; a point is what came before the first end of a new minute.
local function count_ended(base, state, ended, now, most)
  if ended == 0 then return end
  local key = base .. "metrics:" .. state
  local before = redis.call("HINCRBY", key, "count", ended) - ended
  local noted = redis.call("HMGET", key, "prevTS", "prevCount")
  if not noted[1] then
    redis.call("HSET", key, "prevTS", string.format("%.0f", now), "prevCount", 0)
    return
  end
  local minutes = math.min(math.floor(now / 60000) - math.floor(tonumber(noted[1]) / 60000), most)
  if minutes <= 0 then return end
  local points = { string.format("%.0f", before - (tonumber(noted[2]) or 0)) }
  for _ = 2, minutes do points[#points + 1] = "0" end
  for first = 1, #points, 1000 do
    redis.call("LPUSH", key .. ":data", unpack(points, first, math.min(first + 999, #points)))
  end
  redis.call("LTRIM", key .. ":data", 0, most - 1)
  redis.call("HSET", key, "prevCount", string.format("%.0f", before), "prevTS", string.format("%.0f", now))
end
