-- What all load scripts share: unique payments, the count of outcomes, one JSON line at the end.
--
-- A script calls scenario.payments{...} or scenario.repeated{...} once; that defines wrk's setup,
-- init, request and done. Each wrk thread runs the script in a Lua state of its own; setup and
-- done run in yet another one, so whatever done needs travels through thread:get.
--
-- Arguments after "--" (all optional):
--   checked       look at every answer. wrk then parses headers and bodies, which slows it: for
--                 proofs, not for figures. Without it only status codes above 399 are noticed.
--   run=TEXT      goes into every payment's description, so that no two runs make the same one
--   keys=on       gives every payment an Idempotency-Key of its own
--   accounts=N    spread over bench-0 .. bench-(N-1); 1000 when not given
--   repeat=N      with keys=on: every Nth request repeats the one before it, key and all
--   method=TEXT   the payment method; pm_ok when not given
--   prefix=TEXT   the accounts are TEXT-0 .. TEXT-(N-1); bench when not given
--   limit=N       each thread stops after N payments; wrk itself ends with its -d all the same
--   delay=MS      each connection waits so long on average, half to one and a half, before it asks

local scenario = {}

local ACCOUNTS_DEFAULT = 1000
local SAMPLE_BYTES_MAX = 300

local threads = {}

local function parse_arguments(args)
  local options = {}
  for _, argument in ipairs(args) do
    local name, value = argument:match("^([%w_]+)=(.*)$")
    options[name or argument] = value or true
  end
  return options
end

function scenario.get(path)
  return "GET " .. path .. " HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. (wrk.port or "80") ..
    "\r\n\r\n"
end

function scenario.post(path, headers, body)
  local lines = {
    "POST " .. path .. " HTTP/1.1",
    "Host: " .. wrk.host .. ":" .. (wrk.port or "80"),
    "Content-Type: application/json",
    "Content-Length: " .. #body,
  }
  for _, header in ipairs(headers) do
    lines[#lines + 1] = header
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. body
end

-- Cuts a request with "@SEQUENCE@@" in its key and body into text around the sequence numbers.
-- The marker is as long as the number that replaces it, so Content-Length stays right.
local MARKER = "@SEQUENCE@@"

local function cut_at_marker(text)
  local pieces = {}
  local from = 1
  while true do
    local first, last = text:find(MARKER, from, true)
    if not first then break end
    pieces[#pieces + 1] = text:sub(from, first - 1)
    from = last + 1
  end
  pieces[#pieces + 1] = text:sub(from)
  return pieces
end

local function payment_pieces(spec, options, account)
  local run = options.run or tostring(os.time())
  local unique = run .. "-" .. spec.name .. "-" .. thread_index .. "-" .. MARKER
  local body = string.format(
    '{"user_id":"%s-%d","amount":"1.00","payment_method":"%s","description":"%s"}',
    options.prefix or "bench", account, options.method or "pm_ok", unique)
  local headers = {}
  for _, header in ipairs(spec.headers or {}) do
    headers[#headers + 1] = header
  end
  if options.keys == "on" then
    headers[#headers + 1] = 'Idempotency-Key: "' .. unique .. '"'
  end
  return cut_at_marker(scenario.post("/v1/payments", headers, body))
end

-- Counts answers by status; keeps the first unexpected one to show.
local function count_responses(expected)
  response = function(status, headers, body)
    local code = tostring(status)
    codes[code] = (codes[code] or 0) + 1
    if not expected(status, headers, body) then
      unexpected = unexpected + 1
      if sample == "" then
        sample = code .. " " .. body:sub(1, SAMPLE_BYTES_MAX)
      end
    end
  end
end

local function escaped(c)
  return (c == '"' or c == "\\") and "\\" .. c or string.format("\\u%04x", c:byte())
end

local function quoted(text)
  return '"' .. text:gsub('[%c"\\]', escaped) .. '"'
end

local function json_of(value)
  if type(value) == "string" then return quoted(value) end
  if type(value) ~= "table" then return tostring(value) end
  local members = {}
  for name, member in pairs(value) do
    members[#members + 1] = quoted(name) .. ":" .. json_of(member)
  end
  table.sort(members)
  return "{" .. table.concat(members, ",") .. "}"
end

local function outcomes_of_all_threads()
  local all = { codes = {}, unexpected = 0, sample = "" }
  for _, thread in ipairs(threads) do
    for code, count in pairs(thread:get("codes")) do
      all.codes[code] = (all.codes[code] or 0) + count
    end
    all.unexpected = all.unexpected + thread:get("unexpected")
    if all.sample == "" then all.sample = thread:get("sample") end
  end
  return all
end

-- How many different payments the threads asked for; of these at most one per connection was not
-- sent, or not answered, when wrk stopped.
local function payments_asked()
  local all = 0
  for _, thread in ipairs(threads) do
    all = all + thread:get("asked")
  end
  return all
end

local function report(spec, summary, latency)
  local result = {
    scenario = spec.name,
    asked = payments_asked(),
    checked = threads[1]:get("checked"),
    requests = summary.requests,
    seconds = summary.duration / 1e6,
    requests_per_s = summary.requests / (summary.duration / 1e6),
    mean_us = summary.requests > 0 and latency.mean or 0, -- nan is no JSON
    p50_us = latency:percentile(50),
    p99_us = latency:percentile(99),
    p99_9_us = latency:percentile(99.9),
    max_us = latency.max,
    errors = {
      connect = summary.errors.connect,
      read = summary.errors.read,
      write = summary.errors.write,
      status = summary.errors.status,
      timeout = summary.errors.timeout,
    },
  }
  if result.checked then
    local outcomes = outcomes_of_all_threads()
    result.codes = outcomes.codes
    result.unexpected = outcomes.unexpected
    result.sample = outcomes.sample
  end
  print(json_of(result))
end

-- wrk asks delay() before each request, if there is one; its latencies leave the delay out.
local function pace(milliseconds)
  delay = function()
    return math.floor(milliseconds * (0.5 + math.random()) + 0.5)
  end
end

local function define(spec, make_request)
  function setup(thread)
    threads[#threads + 1] = thread
    thread:set("thread_index", #threads)
  end

  function init(args)
    local options = parse_arguments(args)
    codes, unexpected, sample = {}, 0, ""
    asked = 0
    checked = options.checked == true
    if checked then count_responses(spec.expected) end
    if options.delay then pace(tonumber(options.delay)) end
    request = make_request(options)
  end

  function done(summary, latency)
    report(spec, summary, latency)
  end
end

-- spec: name, headers (list of lines), expected(status, headers, body). Every request is another
-- payment of 1.00, over the accounts in turn. Threads start at different accounts.
function scenario.payments(spec)
  define(spec, function(options)
    local accounts = tonumber(options.accounts) or ACCOUNTS_DEFAULT
    local pieces = {}
    for account = 0, accounts - 1 do
      pieces[account] = payment_pieces(spec, options, account)
    end
    local shift = thread_index * 331
    local every = tonumber(options["repeat"]) or 0
    local limit = tonumber(options.limit) or math.huge
    local count = 0
    return function()
      count = count + 1
      if every == 0 or count % every ~= 0 then
        asked = asked + 1
      end
      if asked >= limit then wrk.thread:stop() end
      local around = pieces[(asked + shift) % accounts]
      return table.concat(around, string.format("%011d", asked))
    end
  end)
end

-- spec: name, make(options, number) -> request text, expected. `make` is called with 1, 2, 3 …; it
-- counts the payments that it asks for in the global `asked`.
function scenario.mixed(spec)
  define(spec, function(options)
    local number = 0
    return function()
      number = number + 1
      return spec.make(options, number)
    end
  end)
end

-- spec: name, body, key, expected. The same request every time.
function scenario.repeated(spec)
  define(spec, function(options)
    local key = options.key or spec.key
    local text = scenario.post("/v1/payments", { 'Idempotency-Key: "' .. key .. '"' },
                              options.body or spec.body)
    return function() return text end
  end)
end

return scenario
