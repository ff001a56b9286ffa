"""A pytest plugin, loaded before the settings: the tests run on services of their own.

The first process starts them in ``TEST_DATA_DIR`` (``var/test``) and stops them at the end; pytest-xdist's
workers reuse them, each with its own databases.
"""

import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from backend.embedded import processes, services

DATA_DIR = Path(os.environ.get("TEST_DATA_DIR", "var/test")).resolve()
WORKER = os.environ.get("PYTEST_XDIST_WORKER")


def _set_environment() -> None:
    # Nothing of the developer's own environment reaches a test: no SMTP server, no object storage.
    os.environ["ENV_FILE"] = os.devnull
    from backend.config.environment import Environment

    for name in Environment.model_fields:
        os.environ.pop(name.upper(), None)
    os.environ |= {
        "DEBUG": "true",
        "DJANGO_SECRET_KEY": secrets.token_urlsafe(50),
        "DATA_DIR": str(DATA_DIR),
        "VALKEY_DATABASE": str(int(WORKER.removeprefix("gw")) + 1 if WORKER else 0),
    }


_set_environment()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """Start the services before pytest-django reads the settings, which need the mail sink's port."""
    if WORKER is None:
        stack = ExitStack()
        early_config.add_cleanup(stack.close)
        # CI stops a run with SIGTERM: clean up as after Ctrl-C.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            stack.enter_context(services.claim(DATA_DIR, "its tests are running"))
            stack.enter_context(
                services.running(DATA_DIR, database="lavka", valkey_too=True, mail_too=True, for_tests=True)
            )
        except processes.EmbeddedError as error:
            raise pytest.UsageError(str(error)) from None
    return (yield)
