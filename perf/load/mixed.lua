-- mixed: five calls in turn: a new payment, the state and the events of an earlier one, its account,
-- and a page of the list. Arguments: scenario.lua.
--
--   wrk -t1 -c64 -d5s -s perf/load/mixed.lua http://127.0.0.1:8080 -- checked

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
local scenario = dofile(here .. "scenario.lua")

local BEHIND = 100 -- a payment so many before the newest has been answered
local FIRST = 2 -- wrk makes one request to look at it, and does not send it

local function name(options, number)
  return "mixed-" .. (options.run or "run") .. "-" .. thread_index .. "-" .. number
end

local function create(options)
  asked = asked + 1
  local accounts = tonumber(options.accounts) or 1000
  return scenario.post("/v1/payments", {}, string.format(
    '{"id":"%s","user_id":"bench-%d","amount":"1.00","payment_method":"pm_ok"}',
    name(options, asked), asked % accounts))
end

scenario.mixed {
  name = "mixed",
  make = function(options, number)
    local kind = number % 5
    if kind == 0 or asked < BEHIND + FIRST then return create(options) end
    local earlier = name(options, asked - BEHIND)
    if kind == 1 then return scenario.get("/v1/payments/" .. earlier) end
    if kind == 2 then return scenario.get("/v1/payments/" .. earlier .. "/events") end
    if kind == 3 then return scenario.get("/v1/accounts/bench-" .. asked % 1000) end
    return scenario.get("/v1/payments?limit=10")
  end,
  expected = function(status)
    return status == 202 or status == 201 or status == 200
  end,
}
