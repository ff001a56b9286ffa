"""Check operations, load the server with `wrk` and measure the costs."""

import json
import resource
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.database import DATA_DIR
from benchmarks.performance.baselines import NOT_COMPARED
from benchmarks.performance.figures import Load
from benchmarks.performance.operations import Operation, Request
from benchmarks.performance.server import ADDRESS, Response, Server, read_json

CONNECTIONS = 16
_SCRIPT = Path(__file__).with_name("load.lua")


class WrongResponse(Exception):
    """A response differs from the expected one, so its speed means nothing."""


def check_operation(server: Server, operation: Operation) -> None:
    """Compare the JSON of all requests with that of the baseline.

    Raises:
        WrongResponse: they differ.
    """
    assert operation.baseline is not None
    for request, baseline in zip(operation.requests, operation.baseline.requests, strict=True):
        actual, expected = (read_json(server.send(sent)) for sent in (request, baseline))
        difference = find_difference(actual, expected)
        if difference:
            raise WrongResponse(f"{operation.name} and its baseline differ at {difference}")


def find_difference(actual: Any, expected: Any, place: str = "/") -> str:
    """Return the place and the values of the first difference; empty if there is none."""
    if isinstance(actual, dict) and isinstance(expected, dict):
        # `extensions` reports the cost of a GraphQL query.
        names = (actual.keys() | expected.keys()) - NOT_COMPARED - {"extensions"}
        pairs = [(name, actual.get(name), expected.get(name)) for name in sorted(names)]
    elif isinstance(actual, list) and isinstance(expected, list) and len(actual) == len(expected):
        pairs = [(str(n), *items) for n, items in enumerate(zip(actual, expected, strict=True))]
    else:
        return "" if actual == expected else f"{place}: {str(actual)[:300]} is not {str(expected)[:300]}"
    differences = (find_difference(one, other, f"{place}{name}/") for name, one, other in pairs)
    return next(filter(None, differences), "")


class Loader:
    """Loads a server with operations.

    Args:
        seconds: duration of each measurement.
    """

    def __init__(self, server: Server, seconds: float) -> None:
        self._server = server
        self._seconds = seconds
        self._files: dict[str, Path] = {}

    def warm_up(self, operation: Operation) -> None:
        """Send each different request once, and use the responses to check those of the measurements."""
        if operation.prepare:
            operation.prepare()
        bodies = []
        requests = {_lua_request(request): request for request in operation.requests}.values()
        for request in requests if operation.count_written is None else operation.requests[:1]:
            response = self.send(operation, request)
            if operation.count_written is None:
                bodies.append(response.body)
            elif not all(part.encode() in response.body for part in operation.parts):
                raise WrongResponse(f"{operation.name}: {response}")
        self._files[operation.name] = _write_requests(operation, bodies)

    def send(self, operation: Operation, request: Request) -> Response:
        """Send a single request of an operation.

        Raises:
            WrongResponse: the status of the response is wrong.
        """
        response = self._server.send(request)
        if response.status != operation.status:
            raise WrongResponse(f"{operation.name}: {response}")
        return response

    def measure(self, operation: Operation, seconds: float | None = None) -> Load:
        """Load the server.

        Raises:
            WrongResponse: a response is wrong, or the database does not contain what the responses say.
        """
        if operation.prepare:
            operation.prepare()
        written = operation.count_written() if operation.count_written else 0
        before = self._server.wait_until_idle()
        result = _run_wrk(operation, self._files[operation.name], seconds or self._seconds)
        spent = self._server.wait_until_idle() - before
        # wrk does not count the requests that were still running at its end.
        if not result["requests"] <= spent.requests <= result["requests"] + CONNECTIONS:
            raise WrongResponse(f"{operation.name}: {spent.requests} requests in the log, but {result}")
        if operation.count_written:
            written = operation.count_written() - written
            if written != spent.requests:
                raise WrongResponse(f"{operation.name}: {spent.requests} requests, but {written} writes")
        return Load(
            rate=result["requests"] / result["seconds"],
            p50=result["p50"],
            p95=result["p95"],
            p99=result["p99"],
            longest=result["max"],
            web_ms=spent.web / spent.requests * 1000,
            database_ms=spent.database / spent.requests * 1000,
            client_ms=result["cpu"] / result["requests"] * 1000,
            requests=spent.requests,
        )


def _run_wrk(operation: Operation, requests: Path, seconds: float) -> Any:
    before = _client_cpu_seconds()
    done = subprocess.run(
        [
            *("wrk", "--threads=1", f"--connections={CONNECTIONS}", f"--duration={seconds:.0f}s"),
            *("--timeout=30s", f"--script={_SCRIPT}", f"http://{ADDRESS}", "--", str(requests)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode or not lines:
        raise WrongResponse(f"wrk has failed: {done.stdout}{done.stderr}")
    result = json.loads(lines[0].removeprefix("RESULT "))
    if result["failures"] or result["errors"] or not result["requests"]:
        raise WrongResponse(f"{operation.name}: {result}\n{done.stderr}")
    return {**result, "cpu": _client_cpu_seconds() - before}


def _client_cpu_seconds() -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


def _write_requests(operation: Operation, bodies: Iterable[bytes]) -> Path:
    """Write the file that `load.lua` reads."""
    file = DATA_DIR / f"{operation.name.replace(' ', '-')}.lua"
    requests = ",\n".join(_lua_request(request) for request in operation.requests)
    expected = ",\n".join(f"[{_lua_text(body)}] = true" for body in sorted(set(bodies)))
    parts = ", ".join(_lua_text(part.encode()) for part in operation.parts)
    file.write_text(
        f"return {{ status = {operation.status}, parts = {{{parts}}},\n"
        f"requests = {{\n{requests}\n}},\nbodies = {{\n{expected}\n}} }}\n"
    )
    return file


def _lua_request(request: Request) -> str:
    headers = {"Host": ADDRESS, **request.all_headers}
    pairs = ", ".join(
        f"[{_lua_text(name.encode())}] = {_lua_text(value.encode())}" for name, value in headers.items()
    )
    return (
        f"{{ method = {_lua_text(request.method.encode())}, path = {_lua_text(request.path.encode())}, "
        f"headers = {{ {pairs} }}, body = {_lua_text(request.content.encode())} }}"
    )


def _lua_text(text: bytes) -> str:
    """Return a string literal."""
    return (
        '"'
        + "".join(chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03}" for byte in text)
        + '"'
    )
