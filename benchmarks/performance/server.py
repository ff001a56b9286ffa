"""The web server in its production configuration, and the CPU time and memory of processes."""

import http.client
import json
import os
import re
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import packages_distributions
from pathlib import Path
from subprocess import Popen

import psutil

from backend.embedded import processes
from backend.embedded.services import RunningServices
from benchmarks.database import DATA_DIR
from benchmarks.performance.operations import QUERIES_HEADER, Request

PORT = 8765
ADDRESS = f"127.0.0.1:{PORT}"
# The packages of the image.
REQUIREMENTS = Path("requirements/base.txt")
# The access log, in which requests are counted.
LOG = DATA_DIR / "web.log"
COMMAND = [
    *(sys.executable, "-m", "gunicorn", "--config", "python:benchmarks.performance.gunicorn_config"),
    *("--worker-tmp-dir", "/dev/shm"),  # noqa: S108  as in the image
]


@dataclass(frozen=True)
class Usage:
    """Totals since the start of the processes.

    Attributes:
        web: CPU seconds of the web processes.
        database: CPU seconds of PostgreSQL and Valkey.
        requests: number of requests in the access log.
    """

    web: float
    database: float
    requests: int

    def __sub__(self, other: "Usage") -> "Usage":
        return Usage(self.web - other.web, self.database - other.database, self.requests - other.requests)


@dataclass(frozen=True)
class Memory:
    """Megabytes of a worker.

    Attributes:
        resident: with the pages that it shares with others.
        proportional: with its share of these pages.
    """

    resident: float
    proportional: float


@dataclass(frozen=True)
class Response:
    """A response to a single request."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class Server:
    """A running web server and the services that it uses."""

    gunicorn: Popen[bytes]
    services: Sequence[Popen[bytes]]

    def wait_until_idle(self) -> Usage:
        """Wait until all requests have been served, also those whose client has disconnected."""
        used = self._usage()
        for _ in range(300):
            time.sleep(0.1)
            before, used = used, self._usage()
            # A heartbeat can take one tick of the clock.
            if used.web - before.web < 0.015 and used.requests == before.requests:
                break
        return used

    def _usage(self) -> Usage:
        return Usage(
            web=_cpu_seconds(self.gunicorn.pid),
            database=sum(_cpu_seconds(service.pid) for service in self.services),
            requests=sum(1 for line in LOG.open("rb") if line.startswith((b"GET ", b"POST "))),
        )

    def memory(self) -> Memory:
        """Return the memory of the largest worker."""
        workers = [worker.memory_full_info() for worker in psutil.Process(self.gunicorn.pid).children()]
        return Memory(
            max(worker.rss for worker in workers) / 1e6, max(worker.pss for worker in workers) / 1e6
        )

    def send(self, request: Request, **headers: str) -> Response:
        """Send a request on a new connection."""
        connection = http.client.HTTPConnection(ADDRESS, timeout=60)
        try:
            connection.request(
                request.method, request.path, request.content, {**request.all_headers, **headers}
            )
            response = connection.getresponse()
            return Response(response.status, response.read(), dict(response.headers.items()))
        finally:
            connection.close()

    def count_queries(self, request: Request) -> int:
        """Return the number of SQL queries of a request."""
        return int(self.send(request, **{QUERIES_HEADER: "1"}).headers[QUERIES_HEADER])


def _cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process, its children and those of them that have ended."""
    parent = psutil.Process(pid)
    seconds = 0.0
    for process in [parent, *parent.children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        seconds += times.user + times.system + times.children_user + times.children_system
    return seconds


@contextmanager
def serve(
    services: RunningServices,
    *,
    workers: int = 2,
    options: Sequence[str] = (),
    variables: Mapping[str, str] = {},
) -> Iterator[Server]:
    """Run the shop as in production.

    Args:
        options: more options of gunicorn.
        variables: more environment variables.
    """
    environment = {
        "DEBUG": "false",
        "ALLOWED_HOSTS": "127.0.0.1",
        "DB_PASSWORD": "of-the-benchmarks",
        "CATALOG_CACHE_SECONDS": "30",
        # All requests of the load come from one address.
        "RATE_LIMIT_PER_ADDRESS": "0",
        "RATE_LIMIT_PER_ACCOUNT": "0",
        "WEB_WORKERS": str(workers),
        "PORT": str(PORT),
        "BENCH_ABSENT_PACKAGES": " ".join(list_absent_packages()),
        **variables,
    }
    command = ["env", *(f"{name}={value}" for name, value in environment.items()), *COMMAND, *options]
    gunicorn = processes.spawn(command, DATA_DIR, log=LOG)
    server = Server(gunicorn, [services.processes["PostgreSQL"], services.processes["Valkey"]])
    try:
        processes.wait_until(lambda: _is_ready(server, workers), gunicorn, "The web server", log=LOG)
        yield server
    finally:
        processes.stop([gunicorn], signal.SIGTERM, timeout=40)


def list_absent_packages() -> Sequence[str]:
    """Return the installed packages that the image does not have.

    Libraries import some of them where they are installed: with cryptography, for example, PyJWT takes 8 MB.
    """
    names = re.findall(r"^([\w.-]+)==", REQUIREMENTS.read_text(), re.MULTILINE)
    required = {_normalize(name) for name in names}
    return [
        package
        for package, distributions in packages_distributions().items()
        if required.isdisjoint(map(_normalize, distributions))
    ]


def _normalize(distribution: str) -> str:
    """Return the form of a distribution's name in which names are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _is_ready(server: Server, workers: int) -> bool:
    try:
        response = server.send(Request("GET", "/health/ready"))
    except OSError:
        return False
    return response.status == 200 and len(psutil.Process(server.gunicorn.pid).children()) == workers


def describe_machine() -> str:
    """Return the processor, the number of its cores that may be used, and the memory."""
    with open("/proc/cpuinfo") as lines:
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0))
    memory = psutil.virtual_memory().total / 2**30
    return f"{cores} cores of {names[0] if names else 'an unknown processor'}, {memory:.0f} GB of memory"


def read_json(response: Response) -> object:
    """Return the JSON of a successful response."""
    assert response.status == 200, response
    return json.loads(response.body)
