#!/usr/bin/env python
"""Django's command line for the shop."""

import os
import signal
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.config.settings")
    from django.core.management import execute_from_command_line
    from django.db import OperationalError, connection

    try:
        try:
            execute_from_command_line(sys.argv)
        finally:
            print(end="", flush=True)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # The program that reads the output, such as `head`, has ended. Python would write the rest at exit,
        # and report another error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except OperationalError as error:
        if connection.connection is not None:
            raise
        # The database is not configured or not reachable. A stack trace would hide the message.
        sys.exit(str(error).strip())


if __name__ == "__main__":
    main()
