"""The benchmarks' own PostgreSQL, in `var/bench`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backend.embedded import services

DATA_DIR = Path("var/bench").resolve()


@contextmanager
def migrated_database(*, valkey_too: bool = False) -> Iterator[None]:
    """Set Django up with a database of the benchmarks that has all tables, and a Valkey if wanted."""
    os.environ |= {"ENV_FILE": os.devnull, "DEBUG": "true", "DATA_DIR": str(DATA_DIR)}
    os.environ.setdefault("DJANGO_SECRET_KEY", "of-the-benchmarks")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.config.settings")
    with (
        services.claim(DATA_DIR, "benchmarks"),
        services.running(DATA_DIR, database="lavka", valkey_too=valkey_too, mail_too=False, for_tests=True),
    ):
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        yield
