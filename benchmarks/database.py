"""PostgreSQL and Valkey for the benchmarks, in `var/bench`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backend.embedded import services

DATA_DIR = Path("var/bench").resolve()


@contextmanager
def create_migrated_database(
    *, with_valkey: bool = False, durable: bool = False
) -> Iterator[services.RunningServices]:
    """Run a migrated database, and Valkey if requested, and set Django up with them.

    Args:
        durable: whether PostgreSQL waits until commits are on the disk, as in production.
    """
    os.environ |= {"ENV_FILE": os.devnull, "DEBUG": "true", "DATA_DIR": str(DATA_DIR)}
    # Responses are computed for each request.
    os.environ.setdefault("CATALOG_CACHE_SECONDS", "0")
    os.environ.setdefault("DJANGO_SECRET_KEY", "of-the-benchmarks")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.config.settings")
    with (
        services.lock_data_directory(DATA_DIR, "benchmarks"),
        services.run_services(
            DATA_DIR, database="lavka", with_valkey=with_valkey, with_mail_sink=False, for_tests=not durable
        ) as started,
    ):
        os.environ.update(started.variables)
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        # As in the web processes.
        from backend.config.memory import tune_garbage_collection

        tune_garbage_collection()
        yield started
