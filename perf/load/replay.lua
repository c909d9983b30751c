-- replay: one finished POST, sent again and again with its Idempotency-Key. The payment must have
-- ended before the run: send the same body and key once with "Prefer: wait=10".
-- Arguments: checked, key=TEXT, body=JSON.
--
--   wrk -t1 -c64 -d5s -s perf/load/replay.lua http://127.0.0.1:8080 -- checked

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
local scenario = dofile(here .. "scenario.lua")

local function is_marked_as_replay(headers)
  for name, value in pairs(headers) do
    if name:lower() == "idempotent-replayed" then return value == "true" end
  end
  return false
end

scenario.repeated {
  name = "replay",
  key = "bench-replay",
  body = '{"user_id":"bench-0","amount":"1.00","payment_method":"pm_ok"}',
  expected = function(status, headers)
    return status == 201 and is_marked_as_replay(headers)
  end,
}
