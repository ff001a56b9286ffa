"""``python -m backend.config.probe /health/ready``: ask this container's web server how it is."""

import sys
from http.client import HTTPConnection, HTTPException

from backend.config.environment import read_environment


def main(path: str) -> int:
    """Return the exit status for a health check: 0 when ``path`` answers 200, else 1."""
    env = read_environment()
    # Django refuses a host it does not know, so this names one of its own.
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
