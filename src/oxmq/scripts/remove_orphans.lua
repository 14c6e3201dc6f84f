--- remove_orphans: delete those of the given jobs that are in no container, so that nothing would ever run or show them
-- KEYS 1 base     str   "prefix:queue:"
-- ARGV 1 most     int   delete at most this many
-- ARGV 2 budget   int   search at most about this many entries of lists
-- ARGV 3.. ids    list  of jobs (at most 1,000)
-- RETURNS         list  for each id looked at, in the order given: 1 if nothing of it is left, 0 if it stays; shorter than what was given when there was no time for all
-- ERRORS          none
-- EVENTS          waiting
-- WRITES          de, dn, <job> and its parts, the parent's
-- COST            O(ids x log queue), and O(wait + paused + active) for each id that is in no sorted set
-- RETRY           safe
-- FLAGS           allow-oom
--@include parents
--@include claims
--@include erase

local base, most, budget = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local SETS = { "completed", "failed", "delayed", "prioritized", "waiting-children" }
local LISTS = { "active", "wait", "paused" }
local entries = 0
for _, name in ipairs(LISTS) do entries = entries + redis.call("LLEN", base .. name) end

-- Whatever is no hash of a job (a scheduler's record, say, has no `timestamp`) is none of our business.
local function is_job(job_key)
  local kind = redis.call("TYPE", job_key).ok
  if kind == "none" then return true end
  if kind ~= "hash" then return false end
  local job = redis.call("HMGET", job_key, "name", "timestamp", "ats")
  return (job[1] and job[2]) or (not job[1] and job[3])
end

local function is_in_set(id)
  for _, name in ipairs(SETS) do
    if redis.call("ZSCORE", base .. name, id) then return true end
  end
  return false
end

local function is_in_list(id)
  for _, name in ipairs(LISTS) do
    if redis.call("LPOS", base .. name, id) then return true end
  end
  budget = budget - entries
  return false
end

local function remove(id)
  local job = redis.call("HMGET", base .. id, "parentKey", "deid")
  if job[1] and redis.call("EXISTS", job[1]) == 1 then forget_child(job[1], base .. id) end
  if job[2] then forget_deduplication(base, job[2], id) end
  erase(base, { id })
end

local replies, removed = {}, 0
for i = 3, #ARGV do
  local id = ARGV[i]
  local is_orphan = is_job(base .. id) and redis.call("EXISTS", base .. id .. ":lock") == 0
    and not is_in_set(id) and not is_in_list(id)
  if is_orphan then
    remove(id)
    removed = removed + 1
  end
  replies[#replies + 1] = is_orphan and 1 or 0
  if removed == most or budget <= 0 then break end
end
return replies
