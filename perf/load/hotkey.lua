-- hotkey: the same POST with the same Idempotency-Key from every connection, from before the first of
-- them is answered. Arguments: checked, key=TEXT, body=JSON.
--
--   wrk -t1 -c64 -d5s -s perf/load/hotkey.lua http://127.0.0.1:8080 -- checked

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
local scenario = dofile(here .. "scenario.lua")

scenario.repeated {
  name = "hotkey",
  key = "bench-hot",
  body = '{"user_id":"bench-0","amount":"1.00","payment_method":"pm_ok"}',
  expected = function(status)
    return status == 202 or status == 201
  end,
}
