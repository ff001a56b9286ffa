"""A pytest plugin that runs PostgreSQL, Valkey and a mail sink for the tests.

The controller process starts them in ``TEST_DATA_DIR`` (``var/test``) and stops them at the end. The workers
of pytest-xdist share them: each has its own database in PostgreSQL and in Valkey.
"""

import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from backend.config.environment import Environment
from backend.embedded import addresses, processes, services

DATA_DIR = Path(os.environ.get("TEST_DATA_DIR", "var/test")).resolve()
WORKER = os.environ.get("PYTEST_XDIST_WORKER")


# Tests share the cores of the machine, so that slow examples are no faults.
hypothesis_settings.register_profile(
    "shared", hypothesis_settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("shared")


def _set_environment() -> None:
    # The developer's own environment must not reach a test: no SMTP server, no object storage.
    for name in Environment.model_fields:
        os.environ.pop(name.upper(), None)
    os.environ |= {
        "ENV_FILE": os.devnull,
        "DEBUG": "true",
        "DJANGO_SECRET_KEY": secrets.token_urlsafe(50),
        "DATA_DIR": str(DATA_DIR),
        # Django rolls the edits of a test back, so they never reach the version of the catalogue. The cache's
        # own tests commit, and switch it on.
        "CATALOG_CACHE_SECONDS": "0",
        "GRAPHQL_COMPILED_EXECUTOR": os.environ.get("TEST_COMPILED_EXECUTOR", "true"),
    }


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """Start the services and export their addresses before pytest-django reads the settings."""
    if WORKER is None:
        _set_environment()
        stack = ExitStack()
        early_config.add_cleanup(stack.close)
        # CI stops a run with SIGTERM. Clean up as after Ctrl-C.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            stack.enter_context(services.lock_data_directory(DATA_DIR, "tests"))
            started = stack.enter_context(
                services.run_services(
                    DATA_DIR, database="lavka", with_valkey=True, with_mail_sink=True, for_tests=True
                )
            )
        except processes.EmbeddedError as error:
            raise pytest.UsageError(str(error)) from None
        os.environ.update(started.variables)
    else:
        # The environment is inherited from the controller process.
        database = int(WORKER.removeprefix("gw")) + 1
        os.environ.update(addresses.get_valkey_variables(DATA_DIR, database=database))
    return (yield)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Compile every operation, although most tests execute it only once, and check all REST responses."""
    from backend.core.graphql.compiled import CompiledExecutor
    from tests.support.rest_responses import check_rest_responses

    CompiledExecutor.uses_before_compilation = 0
    check_rest_responses()
