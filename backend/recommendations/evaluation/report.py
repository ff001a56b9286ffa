"""Evaluate the shop's method and the baselines, and format the result as text or JSON."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from backend.core.commands import measure_peak_memory
from backend.recommendations.basket_model import compute_basket_scores
from backend.recommendations.evaluation.baselines import BASELINES
from backend.recommendations.evaluation.protocol import (
    HIT_RANK,
    Estimate,
    Scorer,
    Split,
    draw_questions,
    estimate_hit_rate,
    estimate_lead,
    find_hits,
)

OURS = "lavka"
TASKS = {
    "A": "complete the cart: a hidden item of a basket, predicted from the rest of it",
    "B": "bought together: the rest of a basket, predicted from one of its items",
}

# Estimates by task and method.
Estimates = dict[str, dict[str, Estimate]]


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """The result of an evaluation.

    Attributes:
        hit_rates: of all methods.
        leads: the difference between the hit rate of the shop's method and each baseline.
        build_seconds: the time that the shop's method took to learn.
        seconds: the time of the whole evaluation, with reading.
    """

    hit_rates: Estimates
    leads: Estimates
    train_baskets: int
    test_baskets: int
    items: int
    build_seconds: float
    seconds: float
    peak_mb: int

    def to_json(self) -> dict[str, Any]:
        """Return the report as values that JSON can represent."""
        return {
            **{
                task: {
                    method: {"hit_rate_at_10": rate.value, "ci95": [rate.low, rate.high]}
                    for method, rate in rates.items()
                }
                for task, rates in self.hit_rates.items()
            },
            "lead": {
                task: {
                    method: {"by": lead.value, "ci95": [lead.low, lead.high]}
                    for method, lead in leads.items()
                }
                for task, leads in self.leads.items()
            },
            "train_baskets": self.train_baskets,
            "test_baskets": self.test_baskets,
            "items": self.items,
            "build_seconds": self.build_seconds,
            "seconds": self.seconds,
            "peak_mb": self.peak_mb,
        }

    def to_text(self) -> str:
        """Return the report as two tables, one for each task."""
        lines = [
            f"learnt from {self.train_baskets:,} baskets of {self.items:,} items, "
            f"tested on {self.test_baskets:,}"
        ]
        for task, description in TASKS.items():
            lines += ["", f"{task}, {description}"]
            lines.append(f"{'':20}hit rate at {HIT_RANK}, 95 %{'':5}{OURS} is ahead by, 95 %")
            for method, rate in self.hit_rates[task].items():
                line = f"{method:20}{rate.value:.3f}  [{rate.low:.3f}, {rate.high:.3f}]"
                if lead := self.leads[task].get(method):
                    line += f"{'':7}{lead.value:+.3f}  [{lead.low:+.3f}, {lead.high:+.3f}]"
                lines.append(line)
        lines += [
            "",
            f"{self.seconds:.1f} s in all, {self.build_seconds:.1f} s of it to build {OURS}; "
            f"at most {self.peak_mb} MB",
        ]
        return "\n".join(lines)


def evaluate(split: Split, *, started_at: float) -> EvaluationReport:
    """Train all methods on the training baskets and test them on the test baskets.

    Args:
        started_at: the `time.monotonic` at which reading the baskets began.
    """
    build_start = time.monotonic()
    scores = compute_basket_scores(split.train, split.today)
    build_seconds = time.monotonic() - build_start
    matrices = {"A": scores.complements, "B": scores.bought_together}
    baselines = {name: train(split.train) for name, train in BASELINES.items()}

    hit_rates, leads = {}, {}
    for task, questions in draw_questions(split.test.matrix).items():
        methods: Mapping[str, Scorer] = baselines | {
            OURS: lambda queries, matrix=matrices[task]: (queries @ matrix).toarray()
        }
        hits = {name: find_hits(questions, scorer) for name, scorer in methods.items()}
        hit_rates[task] = {name: estimate_hit_rate(found) for name, found in hits.items()}
        leads[task] = _estimate_leads(hits)
    return EvaluationReport(
        hit_rates=hit_rates,
        leads=leads,
        train_baskets=len(split.train.days),
        test_baskets=len(split.test.days),
        items=len(split.train.items),
        build_seconds=build_seconds,
        seconds=time.monotonic() - started_at,
        peak_mb=measure_peak_memory(),
    )


def _estimate_leads(hits: Mapping[str, npt.NDArray]) -> dict[str, Estimate]:
    return {name: estimate_lead(hits[OURS], theirs) for name, theirs in hits.items() if name != OURS}
