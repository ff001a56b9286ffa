"""``python -m backend.embedded up`` runs the shop, ``down`` stops it."""

import argparse
import os
import secrets
import sys
from pathlib import Path

PROJECT_DIR = Path(__file__).resolve().parents[2]


def main() -> int:
    """Do what the command line asks for and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m backend.embedded")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="run the shop in this terminal")
    commands.add_parser("down", help="stop the shop, or what a killed one left behind")
    arguments = parser.parse_args()

    _write_env_file()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.config.settings")
    # After the .env is there: the settings are read from it on import.
    from backend.embedded import processes, runner

    try:
        if arguments.command == "up":
            return runner.up()
        print(runner.down())
        return 0
    except (processes.EmbeddedError, PermissionError) as error:
        print(error, file=sys.stderr)
        return 1


def _write_env_file() -> None:
    # Somebody who says DEBUG=false wants a real environment, complete or refused.
    in_development = os.environ.get("DEBUG", "true").lower() in ("1", "on", "t", "true", "y", "yes")
    if "ENV_FILE" in os.environ or not in_development:
        return
    try:
        file = os.open(PROJECT_DIR / ".env", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with open(file, "w") as output:
        output.write(
            "# Written by `make up` for development; .env.example explains every variable.\n"
            f"DEBUG=true\nDJANGO_SECRET_KEY={secrets.token_urlsafe(50)}\n"
        )
    print("Wrote .env for development.", flush=True)


if __name__ == "__main__":
    sys.exit(main())
