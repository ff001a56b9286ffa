"""Random sequences and crowds of writes, checked against a model or invariants.

They run for some seconds by default. `FUZZ_SECONDS` sets another duration for each test:

    FUZZ_SECONDS=3600 .venv/bin/python -m pytest tests/fuzz -s
"""

import os


def get_fuzz_seconds(default: float) -> float:
    """Return `FUZZ_SECONDS`, or the default duration if it is not set."""
    return float(os.environ.get("FUZZ_SECONDS") or default)
