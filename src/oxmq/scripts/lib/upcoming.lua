--- upcoming: tell a job scheduler's next job from all others

-- Without it the scheduler would never run again.
local function is_upcoming(base, id)
  local scheduler, due = string.match(id, "^repeat:(.*):(%d+)$")
  local next_due = scheduler and redis.call("ZSCORE", base .. "repeat", scheduler)
  return next_due and tonumber(next_due) == tonumber(due) or false
end
