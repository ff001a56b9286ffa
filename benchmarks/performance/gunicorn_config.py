"""gunicorn configuration of the shop, or with Python's garbage collection if BENCH_DEFAULT_GC is set."""

import gc
import os
from typing import Any

from backend.config import gunicorn as shop
from backend.config.gunicorn import *  # noqa: F403

wsgi_app = "benchmarks.performance.wsgi"

_PYTHON_THRESHOLD = gc.get_threshold()


def post_worker_init(worker: Any) -> None:
    """Start the worker like the shop, and undo its settings of garbage collection if requested."""
    shop.post_worker_init(worker)
    if os.environ.get("BENCH_DEFAULT_GC"):
        gc.unfreeze()
        gc.set_threshold(*_PYTHON_THRESHOLD)
