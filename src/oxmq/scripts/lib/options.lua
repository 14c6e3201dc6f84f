--- options: read what a job's options say

-- What is longer is not worth reading for it.
local LONGEST_READ = 10000

-- By how many milliseconds the job was to be held back when it was added; the hash forgets it when the job is due.
local function given_delay(opts)
  if not opts or #opts > LONGEST_READ or not string.find(opts, '"delay":', 1, true) then return 0 end
  local is_json, options = pcall(cjson.decode, opts)
  return is_json and type(options) == "table" and tonumber(options.delay) or 0
end
