-- Returns the run that is noted on a job; nil where none is, or none that can be read.
local function read_run(noted)
  local readable, run = pcall(cjson.decode, noted or "")
  return readable and type(run) == "table" and type(run["number"]) == "number" and run or nil
end

-- Whether the run of that number, in that pod, is the one that the job's attempt wants. The first pod that asks has it:
-- a cluster may start a second one while the first, on a node that went silent, still works. `added` is when the job
-- was added, as the pod was told (empty: it was not): a later job of the same id counts its runs from 1 too.
local function is_wanted(job_key, number, pod, added)
  local job = redis.call("HMGET", job_key, "oxmq:run", "finishedOn", "atm", "attemptsMade", "cancelledOn", "oxmq:pod",
    "timestamp")
  if not job[1] or job[2] or job[5] then return false end
  if job[6] and job[6] ~= pod then return false end
  if added ~= "" and tonumber(job[7]) ~= tonumber(added) then return false end
  local run = read_run(job[1])
  if not run or run["phase"] == "over" then return false end
  local made = tonumber(job[3]) or tonumber(job[4]) or 0
  return run["number"] == number and run["attempt"] == made + 1
end

-- Notes that nothing more is wanted of the run that is noted on a job, and drops what its pod left. So a job that is
-- run again has another run, also where its attempts are counted anew. Its number is kept: the next one has a higher.
local function end_noted_run(job_key, noted)
  local run = noted and read_run(noted)
  if not run then return end
  if run["phase"] ~= "over" then
    run["phase"] = "over"
    redis.call("HSET", job_key, "oxmq:run", cjson.encode(run))
  end
  redis.call("HDEL", job_key, "oxmq:left", "oxmq:heart", "oxmq:pod")
end
