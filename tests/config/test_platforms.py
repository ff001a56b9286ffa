"""Settings that depend on the operating system."""

import json
import os
import socket
import subprocess
import sys

# Prints the options of a broker connection on a system that lacks some of those of this one.
PRINT_OPTIONS = """
import json, socket, sys
for name in sys.argv[1:]:
    delattr(socket, name)
from backend.config import settings
print(json.dumps(settings.CELERY_BROKER_TRANSPORT_OPTIONS["socket_keepalive_options"]))
"""


def read_keepalive_options(*missing: str) -> dict[int, int]:
    done = subprocess.run(
        [sys.executable, "-c", PRINT_OPTIONS, *missing],
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    return {int(option): value for option, value in json.loads(done.stdout).items()}


def test_lost_broker_connections_end_after_ten_seconds() -> None:
    options = read_keepalive_options()
    assert options == {
        socket.TCP_KEEPIDLE: 5,
        socket.TCP_KEEPINTVL: 2,
        socket.TCP_KEEPCNT: 3,
        socket.TCP_USER_TIMEOUT: 10_000,
    }


def test_options_that_the_system_lacks_are_left_out() -> None:
    options = read_keepalive_options("TCP_KEEPIDLE", "TCP_USER_TIMEOUT")
    assert options == {socket.TCP_KEEPINTVL: 2, socket.TCP_KEEPCNT: 3}
