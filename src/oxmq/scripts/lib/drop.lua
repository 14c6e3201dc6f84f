--- drop: delete jobs with whatever depends on them, for good
--@include parents
--@include claims
--@include erase

local drop

-- A parent of the same queue that waits for nothing but the job goes with it; one of another queue is let run.
local function drop_or_release_parent(parent_key, child_key, base)
  local parent_base, id = last_child_gone(parent_key, child_key)
  if not id then return end
  if parent_base == base then
    drop(base, id)
  else
    redis.call("RPUSH", parent_base .. "wait", id)
    wake(parent_base)
  end
end

-- Does not touch containers: the caller has taken the id out of its own.
drop = function(base, id)
  local job = redis.call("HMGET", base .. id, "parentKey", "deid")
  if job[1] and redis.call("EXISTS", job[1]) == 1 then drop_or_release_parent(job[1], base .. id, base) end
  if job[2] then forget_deduplication(base, job[2], id) end
  erase(base, { id })
end

local function drop_all(base, ids)
  for _, id in ipairs(ids) do drop(base, id) end
end
