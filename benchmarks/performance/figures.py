"""The figures of a run, from which the report is made."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from statistics import median

from benchmarks.growth import Growth


@dataclass(frozen=True)
class Load:
    """One measurement, or the medians of several.

    Attributes:
        rate: requests per second.
        p50, p95, p99, longest: time until the response, in milliseconds.
        web_ms: CPU milliseconds of the web processes per request.
        database_ms: CPU milliseconds of PostgreSQL and Valkey per request.
        client_ms: CPU milliseconds of the load generator per request.
        requests: number of requests.
    """

    rate: float
    p50: float
    p95: float
    p99: float
    longest: float
    web_ms: float
    database_ms: float
    client_ms: float
    requests: int

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds per request."""
        return self.web_ms + self.database_ms

    @property
    def cores(self) -> float:
        """Cores in use, by the load generator too."""
        return self.rate * (self.cpu_ms + self.client_ms) / 1000


def medians(loads: Sequence[Load]) -> Load:
    """Return the median of each figure."""
    return Load(*(median(getattr(load, field.name) for load in loads) for field in fields(Load)))


@dataclass(frozen=True)
class Result:
    """The figures of an operation.

    Attributes:
        queries: SQL queries of a request.
        baseline: of the baseline, measured in turns with the operation.
        compared_with: what the baseline is, in words.
        ratio: CPU time relative to the baseline, the median over the rounds.
        rate_ratio: requests per second relative to the baseline.
        scaled_ms: CPU time relative to the static view, the median over the rounds, times `STATIC_MS`.
        max_ratio, max_ms, min_rate: the goals; see `Operation`.
    """

    name: str
    load: Load
    queries: int
    baseline: Load | None = None
    ratio: float | None = None
    rate_ratio: float | None = None
    scaled_ms: float | None = None
    max_ratio: float | None = None
    max_ms: float | None = None
    min_rate: float | None = None
    compared_with: str = "raw SQL"


@dataclass(frozen=True)
class Scaling:
    """The same operation with one web process and with two."""

    name: str
    one: Load
    two: Load

    @property
    def rate_ratio(self) -> float:
        """Requests per second of two processes relative to one."""
        return self.two.rate / self.one.rate


@dataclass(frozen=True)
class MemoryGrowth:
    """Resident megabytes of the largest worker after some and after many mixed requests."""

    few_requests: int
    few_mb: float
    many_requests: int
    many_mb: float


@dataclass(frozen=True)
class Figures:
    """The figures of a run.

    Attributes:
        results: by number of products.
        growth: the same requests with catalogues of different sizes.
    """

    date: str
    machine: str
    seconds: int
    rounds: int
    categories: int
    results: dict[int, list[Result]]
    growth: list[Growth]
    scaling: list[Scaling]
    memory: MemoryGrowth | None


@dataclass(frozen=True)
class Setting:
    """A configuration of the web server and its figures.

    Attributes:
        loads: by operation.
        resident, proportional: megabytes of the largest worker after the loads.
    """

    name: str
    loads: dict[str, Load]
    resident: float
    proportional: float
