-- Asks what another script asks, but at its own pace: like clients who come whether answers are late, or refusals, or not.
-- Arguments: the other script's file of requests, the other script, milliseconds between two requests of a connection on
-- average, and from when answers count (seconds since 1970).
local ffi = require("ffi")
ffi.cdef("struct instant { long seconds, microseconds; }; int gettimeofday(struct instant *, void *);")
local threads = {}
local instant = ffi.new("struct instant")

local function now()
  ffi.C.gettimeofday(instant, nil)
  return tonumber(instant.seconds) + tonumber(instant.microseconds) / 1e6
end

function setup(thread)
  thread:set("number", #threads)
  threads[#threads + 1] = thread
end

function init(arguments)
  local pause, count_from = tonumber(arguments[3]), tonumber(arguments[4])
  dofile(arguments[2])
  init(arguments)
  served, shed, broken = 0, 0, 0
  since = count_from

  function delay()
    return 2 * pause * math.random()
  end

  function response(status, headers)
    if now() < count_from then return end
    if status < 400 then
      served = served + 1
    elseif status == 503 and (headers["retry-after"] or headers["Retry-After"]) then
      shed = shed + 1
    else
      broken = broken + 1
    end
  end
end

function done(summary, latency)
  local served, shed, since = 0, 0, 0
  local broken = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  for _, thread in ipairs(threads) do
    served, shed, broken = served + thread:get("served"), shed + thread:get("shed"), broken + thread:get("broken")
    since = thread:get("since")
  end
  io.write(string.format(
    '\nresult {"requests": %d, "seconds": %f, "failed": %d, "shed": %d, "p50_ms": %f, "p99_ms": %f}\n',
    served + shed + broken, now() - since, shed + broken, shed, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
