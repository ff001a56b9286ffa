"""The goals of a run: what was measured, in the worst case, and whether it keeps the limit."""

import math
from dataclasses import dataclass

from benchmarks.performance.figures import Figures, Result

# Requests per second of two web processes relative to one.
MIN_SCALING = 1.8
MAX_MEMORY_GROWTH = 1.1
MAX_MEMORY_MB = 150


@dataclass(frozen=True)
class Goal:
    """A goal. `measured` must be at most `limit`, or at least `limit` if `is_minimum`."""

    name: str
    measured: float
    limit: float
    is_minimum: bool = False

    @property
    def comparison(self) -> str:
        """The relation between `measured` and `limit`, in words."""
        return "at least" if self.is_minimum else "at most"

    @property
    def is_kept(self) -> bool:
        """True if the limit is kept, at the precision that the report prints."""
        measured = round(self.measured, 2)
        return measured >= self.limit if self.is_minimum else measured <= self.limit


def list_goals(figures: Figures) -> list[Goal]:
    """Return the goals. Those of an operation use the worst figure of all catalogues."""
    by_name: dict[str, list[Result]] = {}
    for results in figures.results.values():
        for result in results:
            by_name.setdefault(result.name, []).append(result)
    goals = []
    for name, results in by_name.items():
        first = results[0]
        if first.max_ratio is not None:
            ratio = max(result.ratio or math.inf for result in results)
            goals.append(Goal(f"{name}: CPU time relative to {first.compared_with}", ratio, first.max_ratio))
        if first.max_ms is not None:
            spent = max(result.scaled_ms or math.inf for result in results)
            goals.append(Goal(f"{name}: scaled CPU ms", spent, first.max_ms))
        if first.min_rate is not None:
            rate = min(result.rate_ratio or 0 for result in results)
            goals.append(
                Goal(
                    f"{name}: requests/s relative to {first.compared_with}",
                    rate,
                    first.min_rate,
                    is_minimum=True,
                )
            )
    goals += [
        Goal(f"{growth.name}: CPU time with {growth.compared}", growth.ratio, growth.max_ratio)
        for growth in figures.growth
        if growth.max_ratio is not None
    ]
    goals += [
        Goal(
            f"{scaling.name}: requests/s of two processes relative to one",
            scaling.rate_ratio,
            MIN_SCALING,
            True,
        )
        for scaling in figures.scaling
    ]
    if figures.memory:
        growth = figures.memory
        goals += [
            Goal("memory of a worker: growth", growth.many_mb / growth.few_mb, MAX_MEMORY_GROWTH),
            Goal("memory of a worker: MB", growth.many_mb, MAX_MEMORY_MB),
        ]
    return goals
