--- find_cancelled: tell which of the jobs that run have been cancelled
-- KEYS 1 base   str   "prefix:queue:"
-- ARGV 1.. ids  list
-- RETURNS       list  of those that have: id and reason, flat
-- ERRORS        none
-- EVENTS        none
-- WRITES        none
-- COST          O(ids)
-- RETRY         read
-- FLAGS         no-writes

local cancelled = {}
for _, id in ipairs(ARGV) do
  local job = redis.call("HMGET", KEYS[1] .. id, "cancelledOn", "defa")
  if job[1] and job[2] then
    cancelled[#cancelled + 1] = id
    cancelled[#cancelled + 1] = job[2]
  end
end
return cancelled
