-- Orders one copy at a time: each request another key, and a book by chance. The file says on its lines: an access
-- token, a word for this run, how to pay (or nothing: later), then the books' ids.
local started = 0

function setup(thread)
  thread:set("number", started)
  started = started + 1
end

function init(arguments)
  local lines = io.lines(arguments[1])
  token, run, payment_method = lines(), lines(), lines()
  pays = payment_method ~= "" and ', "payment_method": "' .. payment_method .. '"' or ""
  books = {}
  for book in lines do books[#books + 1] = book end
  math.randomseed(os.time() * 16 + number)
  sent = 0
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

function done(summary, latency)
  local failed = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status
    + summary.errors.timeout
  io.write(string.format('\nresult {"requests": %d, "seconds": %f, "failed": %d, "p50_ms": %f, "p99_ms": %f}\n',
    summary.requests, summary.duration / 1e6, failed, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
