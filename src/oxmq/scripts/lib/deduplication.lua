--- deduplication: let go of a deduplication id when its owner ends

-- A key without expiry lives as long as its owner; one with an expiry (a throttle) outlives it.
local function release_deduplication(base, deduplication_id, id)
  local key = base .. "de:" .. deduplication_id
  local ttl = redis.call("PTTL", key)
  if ttl == 0 or (ttl == -1 and redis.call("GET", key) == id) then redis.call("DEL", key) end
end
