-- overload: accept, where a refusal for lack of room is a right answer too, if it says when to come
-- again. Arguments: scenario.lua.
--
--   wrk -t2 -c256 -d5s -s perf/load/overload.lua http://127.0.0.1:8080 -- checked

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
local scenario = dofile(here .. "scenario.lua")

local function says_when(headers)
  for name, value in pairs(headers) do
    if name:lower() == "retry-after" then return tonumber(value) ~= nil end
  end
  return false
end

scenario.payments {
  name = "overload",
  expected = function(status, headers)
    return status == 202 or status == 201 or (status == 503 and says_when(headers))
  end,
}
