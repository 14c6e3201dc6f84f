--- iterations: make the jobs of schedulers
--@include events
--@include new_jobs

-- How many times further on a new job is put when jobs of its id exist.
local STEPS = 32

local function iteration_id(scheduler, due)
  return "repeat:" .. scheduler .. ":" .. string.format("%.0f", due)
end

local function record_key(base, scheduler)
  return base .. "repeat:" .. scheduler
end

local function has_iteration(base, scheduler, due)
  return redis.call("EXISTS", base .. iteration_id(scheduler, due)) == 1
end

-- The first time after now that is a multiple of the interval plus the offset.
local function next_on_phase(every, offset, now)
  local due = math.floor(now / every) * every + offset % every
  return due > now and due or due + every
end

-- The first time, from `due` on, of which there is no job yet; nil when there is none up to `last`.
local function free_step(base, scheduler, due, every, last)
  for step = 0, STEPS do
    local at = due + step * every
    if last and at > last then return nil end
    if not has_iteration(base, scheduler, at) then return at end
  end
  return nil, true
end

-- job: scheduler, due, name, data, priority, next_up, is_pattern; opts and jobId as JSON that wants its end; and
-- deduplication_id where it has one. Returns its id, its delay and its options.
local function store_iteration(base, now, job)
  local max = max_events(base)
  local delay = math.max(0, job.due - now)
  local due = string.format("%.0f", job.due)
  local opts = string.format('%s,"delay":%.0f,"jobId":%s%s"', job.opts_head, delay, job.id_head, due)
  if job.is_pattern then opts = opts .. ',"prevMillis":' .. due end
  local new = { id = iteration_id(job.scheduler, job.due), name = job.name, data = job.data, opts = opts .. "}",
    timestamp = now, delay = delay, priority = job.priority, next_up = job.next_up, scheduler = job.scheduler,
    deduplication_id = job.deduplication_id }
  redis.call("ZADD", base .. "repeat", due, job.scheduler)
  redis.call("INCR", base .. "id")
  store_job(base, new)
  enqueue_new(base, max, new)
  return new
end
