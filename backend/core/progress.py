"""Progress of commands that work in steps."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm


@contextmanager
def step_progress(unit: str) -> Iterator[Callable[[str, int], None]]:
    """Give a function that shows the step at work and how much of it is done, on a terminal alone."""
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
