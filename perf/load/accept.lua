-- accept: unique payments, answered as soon as they are durable. Arguments: scenario.lua.
--
--   wrk -t1 -c64 -d5s -s perf/load/accept.lua http://127.0.0.1:8080 -- checked

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
local scenario = dofile(here .. "scenario.lua")

scenario.payments {
  name = "accept",
  -- 202 while it runs; 201 is right too, for a payment that has already ended.
  expected = function(status)
    return status == 202 or status == 201
  end,
}
