"""Progress and memory use of management commands."""

import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm


@contextmanager
def show_step_progress(unit: str) -> Iterator[Callable[[str, int], None]]:
    """Provide a function that displays the current step and its progress. Silent if stderr is no terminal."""
    with tqdm(unit=f" {unit}", disable=None) as bar:
        current = ""

        def show(step: str, count: int) -> None:
            nonlocal current
            if step != current:
                current = step
                bar.reset()
                bar.set_description(step)
            bar.update(count - bar.n)

        yield show


def measure_peak_memory() -> int:
    """Return the peak memory use of this process in megabytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes on Linux, bytes on macOS.
    return peak // (1024 * 1024 if sys.platform == "darwin" else 1024)
