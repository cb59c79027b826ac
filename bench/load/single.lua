-- wrk: posts each line of a thread's file once. Arguments: folder, token. Files: <number>.lines
local threads = {}

function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

function init(args)
  headers = { ["Authorization"] = "Bearer " .. args[2], ["Content-Type"] = "application/json" }
  lines = io.lines(string.format("%s/%d.lines", args[1], number))
  good, refused, left_over, sample = 0, 0, 0, ""
end

function request()
  local line = lines and lines()
  if not line then
    lines, left_over = nil, left_over + 1
    return wrk.format("GET", "/healthz")
  end
  return wrk.format("POST", "/v1/events", headers, line)
end

function response(status, _, body)
  if status == 200 then
    if body:find('"accepted":1', 1, true) then good = good + 1 end
  else
    refused, sample = refused + 1, status .. " " .. body:sub(1, 200)
  end
end

function done(summary, latency, _)
  local whole, other, spare, text = 0, 0, 0, ""
  for _, thread in ipairs(threads) do
    whole = whole + thread:get("good")
    other = other + thread:get("refused")
    spare = spare + thread:get("left_over")
    if thread:get("sample") ~= "" then text = thread:get("sample") end
  end
  io.write(string.format(
    'RESULT {"events":%d,"requests":%d,"refused":%d,"left_over":%d,"seconds":%.6f,' ..
    '"p50_ms":%.3f,"p99_ms":%.3f,"max_ms":%.3f,"errors":%d,"sample":%q}\n',
    whole, whole, other, spare, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, latency.max / 1e3,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    text))
end
