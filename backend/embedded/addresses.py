"""Sockets and ports of the embedded services, and the environment variables that contain them."""

import hashlib
import os
from pathlib import Path
from urllib.parse import quote

# The kernel limits the path of a Unix socket to 107 bytes; PostgreSQL's file name takes 16 of them.
MAX_SOCKET_DIR_LENGTH = 90
# libpq separates hosts by commas; the others are special in .env files.
_SPECIAL_CHARACTERS = frozenset(",'\"$\\\n")


def get_socket_dir(data_dir: Path) -> Path:
    """Return the directory of the services' Unix sockets.

    It is inside the data directory if the path is short and has no special characters. Otherwise it is in
    /tmp, under a name derived from the data directory.
    """
    inside = data_dir / "run"
    if len(os.fsencode(inside)) <= MAX_SOCKET_DIR_LENGTH and not _SPECIAL_CHARACTERS & set(str(inside)):
        return inside
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
    return Path("/tmp") / f"lavka-{digest}"  # noqa: S108  services.py checks its owner


def get_valkey_socket(data_dir: Path) -> Path:
    """Return the path of Valkey's Unix socket."""
    return get_socket_dir(data_dir) / "valkey.sock"


def get_mail_port_file(data_dir: Path) -> Path:
    """Return the path of the file that contains the mail sink's TCP port."""
    return get_socket_dir(data_dir) / "mail-port"


def get_postgres_variables(data_dir: Path) -> dict[str, str]:
    """Return the variables that lead to PostgreSQL."""
    return {"DB_HOST": str(get_socket_dir(data_dir)), "DB_PORT": "5432"}


def get_valkey_variables(data_dir: Path, *, database: int = 0) -> dict[str, str]:
    """Return the variables that lead to one of Valkey's databases."""
    return {"REDIS_URL": f"unix://{quote(str(get_valkey_socket(data_dir)))}?db={database}"}


def get_mail_variables(data_dir: Path) -> dict[str, str]:
    """Return the variables that lead to the running mail sink."""
    port = get_mail_port_file(data_dir).read_text()
    return {"SMTP_SERVER_ADDR": "127.0.0.1", "SMTP_PORT": port, "SMTP_SECURITY": "none"}
