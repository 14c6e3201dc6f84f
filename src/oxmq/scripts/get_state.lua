--- get_state: tell which container holds a job's id
-- KEYS 1 base   str   "prefix:queue:"
-- ARGV 1 id     str
-- RETURNS       str   completed | failed | delayed | prioritized | active | waiting | waiting-children | unknown
-- ERRORS        none
-- EVENTS        none
-- WRITES        none
-- COST          O(wait + active): a list must be searched
-- RETRY         read
-- FLAGS         no-writes

local base, id = KEYS[1], ARGV[1]
for _, name in ipairs({ "completed", "failed", "delayed", "prioritized" }) do
  if redis.call("ZSCORE", base .. name, id) then return name end
end
if redis.call("LPOS", base .. "active", id) then return "active" end
if redis.call("LPOS", base .. "wait", id) or redis.call("LPOS", base .. "paused", id) then return "waiting" end
if redis.call("ZSCORE", base .. "waiting-children", id) then return "waiting-children" end
return "unknown"
