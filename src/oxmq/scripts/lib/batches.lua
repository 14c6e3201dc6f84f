--- batches: call a command on many members at once

-- Lua's stack bounds what unpack can spread; far more than any batch of jobs needs.
local SPREAD = 1000

local function call_with_all(command, key, members)
  for first = 1, #members, SPREAD do
    redis.call(command, key, unpack(members, first, math.min(first + SPREAD - 1, #members)))
  end
end

local function delete_all(keys)
  for first = 1, #keys, SPREAD do
    redis.call("DEL", unpack(keys, first, math.min(first + SPREAD - 1, #keys)))
  end
end
