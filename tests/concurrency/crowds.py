"""Concurrent threads with reproducible random numbers."""

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from django.db import connection

MAX_SECONDS = 60


def run_together(steps: Sequence[Callable[[random.Random], None]], *, times: int, seed: int) -> None:
    """Run every step repeatedly in a separate thread. All threads start at the same time.

    Args:
        steps: functions to run, each with a random number generator.
        times: number of repetitions of each step.
        seed: seed of the random number generators.

    Raises:
        Exception: an exception of a step, such as a deadlock.
    """
    start = Barrier(len(steps))

    def repeat(number: int) -> None:
        rng = random.Random(f"{seed}-{number}")
        try:
            start.wait(MAX_SECONDS)
            for _ in range(times):
                steps[number](rng)
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=len(steps)) as threads:
        for running in [threads.submit(repeat, number) for number in range(len(steps))]:
            running.result(MAX_SECONDS)
