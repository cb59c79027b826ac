-- wrk: posts each file of a folder once. Arguments: folder, first file, files, threads, token.
local threads = {}

function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

function init(args)
  folder, first, files, count = args[1], tonumber(args[2]), tonumber(args[3]), tonumber(args[4])
  headers = { ["Authorization"] = "Bearer " .. args[5], ["Content-Type"] = "application/x-ndjson" }
  at, accepted, good, refused, left_over, sample = number, 0, 0, 0, 0, ""
end

function request()
  if at >= files then
    left_over = left_over + 1
    return wrk.format("GET", "/healthz")
  end
  local file = assert(io.open(string.format("%s/%06d.ndjson", folder, first + at), "rb"))
  local body = file:read("*a")
  file:close()
  at = at + count
  return wrk.format("POST", "/v1/events", headers, body)
end

function response(status, _, body)
  local some = body:match('"accepted":(%d+)')
  if status == 200 and some then
    accepted, good = accepted + tonumber(some), good + 1
  elseif status ~= 200 then
    refused, sample = refused + 1, status .. " " .. body:sub(1, 200)
  end
end

function done(summary, latency, _)
  local total, whole, other, spare, text = 0, 0, 0, 0, ""
  for _, thread in ipairs(threads) do
    total = total + thread:get("accepted")
    whole = whole + thread:get("good")
    other = other + thread:get("refused")
    spare = spare + thread:get("left_over")
    if thread:get("sample") ~= "" then text = thread:get("sample") end
  end
  io.write(string.format(
    'RESULT {"events":%d,"requests":%d,"refused":%d,"left_over":%d,"seconds":%.6f,' ..
    '"p50_ms":%.3f,"p99_ms":%.3f,"max_ms":%.3f,"errors":%d,"sample":%q}\n',
    total, whole, other, spare, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, latency.max / 1e3,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    text))
end
