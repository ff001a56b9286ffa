"""Where the embedded services listen, derived from the data directory alone.

Everything that shares a data directory (the runner, ``manage.py`` beside it, the tests) finds the
same services without asking anybody.
"""

import hashlib
import os
import socket
from pathlib import Path

# The kernel limits a Unix socket's path to 107 bytes; PostgreSQL's own name takes 16 of them.
MAX_SOCKET_DIR_LENGTH = 90


def socket_dir(data_dir: Path) -> Path:
    """Return the directory of the services' Unix sockets: inside the data directory where its path
    is short and plain enough, otherwise in /tmp under a name derived from it."""
    inside = data_dir / "run"
    # PostgreSQL's clients take a comma for the end of a host's name.
    if len(os.fsencode(inside)) <= MAX_SOCKET_DIR_LENGTH and "," not in str(inside):
        return inside
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
    return Path("/tmp") / f"lavka-{digest}"  # noqa: S108 (checked to be ours before use)


def postgres_answers(data_dir: Path) -> bool:
    """Return whether anybody listens on PostgreSQL's Unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(socket_dir(data_dir) / ".s.PGSQL.5432")) == 0


def valkey_socket(data_dir: Path) -> Path:
    """Return the path of Valkey's Unix socket."""
    return socket_dir(data_dir) / "valkey.sock"


def mail_port_file(data_dir: Path) -> Path:
    """Return the file in which the mail sink writes the TCP port it listens on."""
    return socket_dir(data_dir) / "mail-port"


def mail_port(data_dir: Path) -> int:
    """Return the mail sink's TCP port, or 25 while no sink has ever run."""
    try:
        return int(mail_port_file(data_dir).read_text())
    except (FileNotFoundError, ValueError):
        return 25
