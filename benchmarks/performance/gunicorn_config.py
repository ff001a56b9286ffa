"""gunicorn configuration of the shop, and `gc.freeze` if the variable BENCH_FREEZE is set."""

import gc
import os
from typing import Any

from backend.config import gunicorn as shop
from backend.config.gunicorn import *  # noqa: F403

wsgi_app = "benchmarks.performance.wsgi"


def _freeze() -> None:
    if os.environ.get("BENCH_FREEZE"):
        gc.collect()
        gc.freeze()


def when_ready(server: Any) -> None:
    """Freeze what the master has loaded: with `preload`, the shop."""
    _freeze()


def post_worker_init(worker: Any) -> None:
    """Freeze what the worker has loaded."""
    shop.post_worker_init(worker)
    _freeze()
