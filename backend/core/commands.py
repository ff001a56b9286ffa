"""Progress, interruption and memory use of management commands."""

import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from django.core.management.base import CommandError
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


@contextmanager
def report_interruption(message: str) -> Iterator[None]:
    """End the command with this message and status 130 after Ctrl-C, SIGTERM or SIGHUP."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(number: int, frame: FrameType | None) -> None:
        # Further signals must not interrupt the clean-up.
        for other in signals:
            signal.signal(other, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in signals:
        # Under nohup SIGHUP stays ignored.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        raise CommandError(message, returncode=130) from None


def measure_peak_memory() -> int:
    """Return the peak memory use of this process in megabytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes on Linux, bytes on macOS.
    return peak // (1024 * 1024 if sys.platform == "darwin" else 1024)
