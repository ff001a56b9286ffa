"""gunicorn configuration of the shop, or with Python's garbage collection if BENCH_DEFAULT_GC is set.

BENCH_ABSENT_PACKAGES lists packages that seem not to be installed.
"""

import gc
import os
import sys
from typing import Any

for name in os.environ.get("BENCH_ABSENT_PACKAGES", "").split():
    # An import then raises ImportError.
    sys.modules.setdefault(name, None)  # type: ignore[arg-type]

from backend.config import gunicorn as shop  # noqa: E402
from backend.config.gunicorn import *  # noqa: E402, F403

wsgi_app = "benchmarks.performance.wsgi"

_PYTHON_THRESHOLD = gc.get_threshold()


def post_worker_init(worker: Any) -> None:
    """Start the worker like the shop, and undo its settings of garbage collection if requested."""
    shop.post_worker_init(worker)
    if os.environ.get("BENCH_DEFAULT_GC"):
        gc.unfreeze()
        gc.set_threshold(*_PYTHON_THRESHOLD)
