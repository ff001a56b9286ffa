-- wrk script: sends the requests of a file in turn and checks the status and the body of each response.
-- Usage: wrk ... -s load.lua URL -- FILE
-- The file returns a table: requests, status, bodies (a set), parts (a list); see `load.py`.

local work, sent = nil, 0
failures, first_failure = 0, ""

function init(arguments)
    work = dofile(arguments[1])
    for number, request in ipairs(work.requests) do
        work.requests[number] = wrk.format(request.method, request.path, request.headers, request.body)
    end
end

function request()
    sent = sent % #work.requests + 1
    return work.requests[sent]
end

local function is_expected(status, body)
    if status ~= work.status then return false end
    if work.bodies[body] then return true end
    for _, part in ipairs(work.parts) do
        if not body:find(part, 1, true) then return false end
    end
    return #work.parts > 0
end

function response(status, headers, body)
    if not is_expected(status, body) then
        failures = failures + 1
        if failures == 1 then first_failure = status .. " " .. body:sub(1, 500) end
    end
end

local threads = {}

function setup(thread) threads[#threads + 1] = thread end

function done(summary, latency)
    local failed = 0
    for _, thread in ipairs(threads) do
        failed = failed + thread:get("failures")
        if thread:get("failures") > 0 then io.stderr:write(thread:get("first_failure"), "\n") end
    end
    local errors = summary.errors
    io.write(string.format(
        'RESULT {"requests": %d, "seconds": %f, "failures": %d, "errors": %d, "p50": %f, "p95": %f, "p99": %f, "max": %f}\n',
        summary.requests, summary.duration / 1e6, failed, errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3
    ))
end
