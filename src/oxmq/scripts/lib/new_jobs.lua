--- new_jobs: write a job's hash, and put the job where its options say
--@include events
--@include ready
--@include delayed

-- job: id, name, data, opts as text; timestamp, delay, priority as numbers; next_up as boolean; where it has them,
-- parent_key, parent, scheduler and deduplication_id as text.
local function store_job(base, job)
  local fields = { "HSET", base .. job.id, "name", job.name, "data", job.data, "opts", job.opts,
    "timestamp", string.format("%.0f", job.timestamp), "delay", string.format("%.0f", job.delay),
    "priority", string.format("%.0f", job.priority) }
  local function also(field, value)
    if not value then return end
    fields[#fields + 1] = field
    fields[#fields + 1] = value
  end
  also("parentKey", job.parent_key)
  also("parent", job.parent)
  also("rjk", job.scheduler)
  also("deid", job.deduplication_id)
  redis.call(unpack(fields))
  emit(base, "added", "jobId", job.id, "name", job.name)
end

local function delay_job(base, max, id, due)
  hold_back(base, id, due)
  emit_capped(base, max, "delayed", "jobId", id, "delay", string.format("%.0f", due))
  mark_next_due(base)
end

local function enqueue_new(base, max, job)
  if job.delay > 0 then return delay_job(base, max, job.id, job.timestamp + job.delay) end
  make_ready(base, job.id, job.priority, job.next_up)
  wake(base)
  emit_capped(base, max, "waiting", "jobId", job.id)
end
