-- Orders one copy at a time: each request another key, and a book by chance. The file says on its lines: an access
-- token, a word for this run, how to pay (or nothing: later), from when answers count (seconds since 1970), then the
-- books' ids.
local ffi = require("ffi")
ffi.cdef("struct moment { long seconds, microseconds; }; int gettimeofday(struct moment *, void *);")
local threads = {}
local moment = ffi.new("struct moment")

local function now()
  ffi.C.gettimeofday(moment, nil)
  return tonumber(moment.seconds) + tonumber(moment.microseconds) / 1e6
end

function setup(thread)
  thread:set("number", #threads)
  threads[#threads + 1] = thread
end

function init(arguments)
  local lines = io.lines(arguments[1])
  token, run, payment_method, count_from = lines(), lines(), lines(), tonumber(lines())
  pays = payment_method ~= "" and ', "payment_method": "' .. payment_method .. '"' or ""
  books = {}
  for book in lines do books[#books + 1] = book end
  math.randomseed(os.time() * 16 + number)
  sent, counted = 0, 0
end

function request()
  sent = sent + 1
  local headers = {
    ["Authorization"] = "Bearer " .. token,
    ["Content-Type"] = "application/json",
    ["Idempotency-Key"] = run .. "-" .. number .. "-" .. sent,
  }
  local body = '{"items": [{"book_id": "' .. books[math.random(#books)] .. '", "quantity": 1}], "shipping_address": '
    .. '{"name": "Ada Lovelace", "line1": "12 St James\'s Square", "city": "London", "postal_code": "SW1Y 4JH", '
    .. '"country": "GB"}' .. pays .. '}'
  return wrk.format("POST", "/api/v1/orders", headers, body)
end

function response()
  if now() >= count_from then counted = counted + 1 end
end

function done(summary, latency)
  local failed = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status
    + summary.errors.timeout
  local answers, seconds = 0, 0
  for _, thread in ipairs(threads) do
    answers = answers + thread:get("counted")
    seconds = now() - thread:get("count_from")
  end
  io.write(string.format('\nresult {"requests": %d, "seconds": %f, "failed": %d, "p50_ms": %f, "p99_ms": %f}\n',
    answers, seconds, failed, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
