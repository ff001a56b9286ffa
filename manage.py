#!/usr/bin/env python
"""Django's command line for the shop."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.config.settings")
    from django.conf import settings
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    from backend.embedded import addresses

    try:
        execute_from_command_line(sys.argv)
    except OperationalError:
        if settings.EMBED_POSTGRES and not addresses.postgres_answers(settings.ENV.data_dir):
            sys.exit("The database does not answer: `make up` starts it.")
        raise


if __name__ == "__main__":
    main()
