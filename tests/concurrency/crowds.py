"""Many threads that write at once, each as its own random numbers tell it."""

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from django.db import connection

PATIENCE = 60


def run_together(steps: Sequence[Callable[[random.Random], None]], *, times: int, seed: int) -> None:
    """Repeat every step in a thread of its own, all of them starting together.

    Args:
        steps: one thread for each.
        times: how often each is repeated.
        seed: of the random numbers the steps are given.

    Raises:
        Exception: what a step raised, such as a deadlock.
    """
    start = Barrier(len(steps))

    def repeat(number: int) -> None:
        rng = random.Random(f"{seed}-{number}")
        try:
            start.wait(PATIENCE)
            for _ in range(times):
                steps[number](rng)
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=len(steps)) as threads:
        for running in [threads.submit(repeat, number) for number in range(len(steps))]:
            running.result(PATIENCE)
