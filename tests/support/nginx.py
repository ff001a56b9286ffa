"""nginx with the configuration of docker-compose.yml."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.conf import settings

from backend.embedded import processes
from tests.support.ports import find_free_port
from tests.support.worker import wait_until

CONFIGURATION = Path(__file__).resolve().parents[2] / "examples/compose/nginx"


class Nginx:
    """nginx in front of a web server, with local ports instead of those of its container.

    Args:
        shop: host and port of the web server.
        template: the file with its servers.
    """

    def __init__(self, shop: str, *, template: str = "http.conf.template") -> None:
        self.port = find_free_port()
        self.tls_port = find_free_port()
        self.health_port = find_free_port()
        self._shop = shop
        self._template = template
        self._directory = TemporaryDirectory()
        # Like /etc/nginx and /tmp of the container.
        self.root = Path(self._directory.name)
        self._log = self.root / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def write_configuration(self) -> None:
        """Write the configuration as the container has it after its entry point."""
        for file in CONFIGURATION.glob("*.conf"):
            (self.root / file.name).write_text(self._localize(file.read_text()))
        (self.root / "tmp").mkdir()
        server = (CONFIGURATION / self._template).read_text().replace("${SHOP}", self._shop)
        (self.root / "tmp/server.conf").write_text(self._localize(server))

    def check(self) -> subprocess.CompletedProcess[str]:
        """Run `nginx -t`."""
        return subprocess.run([*self._command(), "-t"], capture_output=True, text=True, check=False)

    def start(self) -> None:
        """Start nginx and wait until it responds."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._command(), "-g", f"daemon off;{' user root;' if os.geteuid() == 0 else ''}"],
                # The next run finds and stops the processes of a killed run by this environment.
                env=processes.make_environment(settings.ENV.data_dir),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        process = self.process
        wait_until(
            lambda: (self.root / "tmp/nginx.pid").exists() or process.poll() is not None, "The start of nginx"
        )
        assert process.poll() is None, self._log.read_text()

    def stop(self) -> None:
        """Stop nginx and delete its files."""
        if self.process:
            processes.stop([self.process], signal.SIGTERM)
            self.process = None
        self._directory.cleanup()

    def read_access_log(self) -> list[dict[str, Any]]:
        """Return the lines of the access log."""
        return [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]

    def _command(self) -> list[str]:
        # Users other than root have no /usr/sbin in PATH.
        program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
        assert program, "Install the package nginx."
        return [program, "-c", str(self.root / "nginx.conf")]

    def _localize(self, text: str) -> str:
        for container, local in {
            "/tmp/": f"{self.root}/tmp/",
            "/var/www/acme": f"{self.root}/acme",
            "listen 8080": f"listen 127.0.0.1:{self.port}",
            "listen 8443": f"listen 127.0.0.1:{self.tls_port}",
            "listen 127.0.0.1:8081": f"listen 127.0.0.1:{self.health_port}",
        }.items():
            text = text.replace(container, local)
        return text
