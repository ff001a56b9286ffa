#!/usr/bin/env python
"""Django's command line for the shop."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.config.settings")
    from django.core.management import execute_from_command_line
    from django.db import OperationalError, connection

    try:
        execute_from_command_line(sys.argv)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        sys.exit(130)
    except OperationalError as error:
        if connection.connection is not None:
            raise
        # The database is not configured or not reachable. A stack trace would hide the message.
        sys.exit(str(error).strip())


if __name__ == "__main__":
    main()
