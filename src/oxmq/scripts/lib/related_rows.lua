--- related_rows: read jobs that come as rows of arguments, and add them one by one
--@include add_job

-- A row: id (empty: the counter gives it), name, data, opts, timestamp, delay, priority, next_up ("1": runs next),
-- relations (JSON; empty for none). `at` is where it begins, counted from 0.
local function read_job(at)
  return { id = ARGV[at + 1], name = ARGV[at + 2], data = ARGV[at + 3], opts = ARGV[at + 4],
    timestamp = tonumber(ARGV[at + 5]), delay = tonumber(ARGV[at + 6]), priority = tonumber(ARGV[at + 7]),
    next_up = ARGV[at + 8] == "1" }, ARGV[at + 9] == "" and {} or cjson.decode(ARGV[at + 9])
end

local function is_orphan(relations)
  return relations.parentKey and redis.call("EXISTS", relations.parentKey) == 0
end

-- Without its parent a job is not added, and takes no number from the counter.
local function add_one(base, job, relations)
  if is_orphan(relations) then return -5 end
  local max = max_events(base)
  local number = redis.call("INCR", base .. "id")
  if job.id == "" then job.id = string.format("%.0f", number) end
  if belongs_elsewhere(base, job.id, relations) then return -7 end
  return add_job(base, max, job, relations)
end
