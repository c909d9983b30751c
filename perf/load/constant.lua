-- constant: the requests of accept.lua, for the constant server. Arguments: scenario.lua.
--
--   wrk -t1 -c64 -d5s -s perf/load/constant.lua http://127.0.0.1:8081 -- checked

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
local scenario = dofile(here .. "scenario.lua")

scenario.payments {
  name = "constant",
  expected = function(status)
    return status == 200
  end,
}
