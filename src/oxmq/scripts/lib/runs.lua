-- Whether the run of that number, in that pod, is the one that the job's attempt wants. The first pod that asks has it:
-- a cluster may start a second one while the first, on a node that went silent, still works.
local function is_wanted(job_key, number, pod)
  local job = redis.call("HMGET", job_key, "oxmq:run", "finishedOn", "atm", "attemptsMade", "cancelledOn", "oxmq:pod")
  if not job[1] or job[2] or job[5] then return false end
  if job[6] and job[6] ~= pod then return false end
  local readable, run = pcall(cjson.decode, job[1])
  if not readable or type(run) ~= "table" or run["phase"] == "over" then return false end
  local made = tonumber(job[3]) or tonumber(job[4]) or 0
  return run["number"] == number and run["attempt"] == made + 1
end
