"""TCP ports for servers that tests start."""

import socket


def find_free_port() -> int:
    """Return an unused TCP port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
