"""Health check of the web server in this container: ``python -m backend.config.probe /health/ready``."""

import sys
from http.client import HTTPConnection, HTTPException

from backend.config.environment import read_environment


def main(path: str) -> int:
    """Request ``path`` and return the exit status of the health check: 0 for status 200, else 1."""
    env = read_environment()
    # Django refuses unknown hosts.
    hosts = [host.removeprefix(".") for host in env.allowed_hosts if host != "*"]
    connection = HTTPConnection("127.0.0.1", env.port, timeout=4)
    try:
        connection.request("GET", path, headers={"Host": hosts[0] if hosts else "localhost"})
        response = connection.getresponse()
        body = response.read(500).decode(errors="replace")
    except (OSError, HTTPException) as error:
        print(f"{path}: {error!r}")
        return 1
    print(f"{path}: {response.status} {body}")
    return 0 if response.status == 200 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
