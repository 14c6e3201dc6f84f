--- look_up: read a job and where it is
-- KEYS 1 base    str   "prefix:queue:"
-- ARGV 1 id      str
-- ARGV 2 reach   int   how many entries from each end of a list are searched for the job
-- ARGV 3 most    int   values of the hash that take more bytes are left out; -1: none are
-- RETURNS        list  nothing where there is no such job, else its hash, flat; its state; its score in the state's sorted set, or ""; for how many ms its lock lives (below 0: it has none); how many children are processed, unprocessed, ignored and failed; how many log lines it has
-- ERRORS         none
-- EVENTS         none
-- WRITES         none
-- COST           O(reach + log queue + hash)
-- RETRY          read
-- FLAGS          no-writes

local SETS = { "completed", "failed", "delayed", "prioritized", "waiting-children" }
local LISTS = { { "active", "active" }, { "wait", "waiting" }, { "paused", "waiting" } }
local base, id, reach, most = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local job_key = base .. id

-- Keys may hold anything: what is of another type than it should be counts as missing.
local function ask(default, ...)
  local answer = redis.pcall(...)
  if not answer or (type(answer) == "table" and answer.err) then return default end
  return answer
end

local function is_in(list)
  return ask(false, "LPOS", base .. list, id, "RANK", -1, "MAXLEN", reach)
    or ask(false, "LPOS", base .. list, id, "MAXLEN", reach)
end

local function locate()
  for _, name in ipairs(SETS) do
    local score = ask(false, "ZSCORE", base .. name, id)
    if score then return name, score end
  end
  for _, list in ipairs(LISTS) do
    if is_in(list[1]) then return list[2], "" end
  end
  -- In the middle of a long list; a list that was searched whole does not hold it.
  if ask(0, "LLEN", base .. "wait") > 2 * reach then return "waiting", "" end
  return "unknown", ""
end

local hash, found, named = ask({}, "HGETALL", job_key), {}, false
for i = 1, #hash, 2 do
  named = named or hash[i] == "name"
  if most < 0 or #hash[i + 1] <= most then
    found[#found + 1] = hash[i]
    found[#found + 1] = hash[i + 1]
  end
end
if not named then return {} end
local state, score = locate()
return { found, state, score, redis.call("PTTL", job_key .. ":lock"),
  { ask(0, "HLEN", job_key .. ":processed"), ask(0, "SCARD", job_key .. ":dependencies"),
    ask(0, "HLEN", job_key .. ":failed"), ask(0, "ZCARD", job_key .. ":unsuccessful") },
  ask(0, "LLEN", job_key .. ":logs") }
