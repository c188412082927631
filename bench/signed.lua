-- Asks in turn for what stands in a file, each thread from a place of its own: method, path, a header's name, its value
-- and a body per line, between tabs.
local started = 0

function setup(thread)
  thread:set("number", started)
  started = started + 1
end

function init(arguments)
  asked = {}
  for line in io.lines(arguments[1]) do
    local method, path, name, value, body = line:match("^(%S+)\t(%S+)\t([^\t]*)\t([^\t]*)\t(.*)$")
    local headers = {}
    if name ~= "" then headers[name] = value end
    if body ~= "" then headers["Content-Type"] = "application/json" end
    asked[#asked + 1] = wrk.format(method, path, headers, body ~= "" and body or nil)
  end
  at = number * math.floor(#asked / 2)
end

function request()
  at = at % #asked + 1
  return asked[at]
end

function done(summary, latency)
  local failed = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status
    + summary.errors.timeout
  io.write(string.format('\nresult {"requests": %d, "seconds": %f, "failed": %d, "p50_ms": %f, "p99_ms": %f}\n',
    summary.requests, summary.duration / 1e6, failed, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
