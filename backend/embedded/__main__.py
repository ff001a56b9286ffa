"""Command line: ``python -m backend.embedded up`` runs the shop, ``down`` stops it."""

import argparse
import os
import secrets
import signal
import sys
from pathlib import Path


def main() -> int:
    """Run the command and return its exit status."""
    # Nothing has been started yet: Ctrl-C ends the process without a stack trace, until runner.up handles it.
    # The imports below take most of the first second.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parser = argparse.ArgumentParser(prog="python -m backend.embedded")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="run the shop in this terminal")
    commands.add_parser("down", help="stop the shop, or the processes of a killed run")
    arguments = parser.parse_args()

    from backend.config.environment import PROJECT_DIR, read_environment
    from backend.embedded import processes, runner

    _write_env_file(PROJECT_DIR / ".env")
    # Without the addresses of a running shop: a killed one may have left them behind.
    env = read_environment(beside_running_shop=False)
    try:
        if arguments.command == "up":
            return runner.up(env)
        print(runner.down(env.data_dir))
        return 0
    except (processes.EmbeddedError, PermissionError) as error:
        print(error, file=sys.stderr)
        return 1


def _write_env_file(path: Path) -> None:
    # With DEBUG=false the user provides the whole environment, which is validated as in production.
    in_development = os.environ.get("DEBUG", "true").lower() in ("1", "on", "t", "true", "y", "yes")
    if "ENV_FILE" in os.environ or not in_development:
        return
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
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
