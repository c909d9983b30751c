-- complete: unique payments, each answered when it has ended. Arguments: scenario.lua.
--
--   wrk -t1 -c64 -d5s --timeout 15s -s perf/load/complete.lua http://127.0.0.1:8080 -- checked

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
local scenario = dofile(here .. "scenario.lua")

scenario.payments {
  name = "complete",
  headers = { "Prefer: wait=10" },
  expected = function(status, _, body)
    return status == 201 and body:find('"status"%s*:%s*"success"') ~= nil
  end,
}
