"""The services of docker-compose.yml as processes in namespaces, without starting them."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from scripts import containers
from scripts.containers import Deployment


class RecordingDeployment(Deployment):
    """Records what it would start."""

    def __init__(self, work: Path) -> None:
        super().__init__(work, work / "image", ExitStack())
        self.started: list[str] = []
        self.forwarded: list[tuple[str, ...]] = []

    def start(self, name: str) -> None:
        self.started.append(name)

    def _forward(self, *arguments: str) -> None:
        self.forwarded.append(arguments)


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RecordingDeployment:
    image = {"Env": ["PATH=/venv/bin:/bin", "DATA_DIR=/data"], "Cmd": ["gunicorn"]}
    monkeypatch.setattr(containers, "inspect_image", image.__getitem__)
    return RecordingDeployment(tmp_path)


def test_services_start_after_their_dependencies(deployment: RecordingDeployment) -> None:
    deployment.start_all()
    assert set(deployment.started) == deployment.services.keys()
    for name, service in deployment.services.items():
        for dependency in service.get("depends_on", {}):
            assert deployment.started.index(dependency) < deployment.started.index(name)
    hosts = (deployment.work / "hosts").read_text()
    nginx = next(line.split()[0] for line in hosts.splitlines() if line.endswith(" nginx"))
    assert ("lavka-host", "127.0.0.1", "8000", nginx, "8080") in deployment.forwarded


def test_command_runs_as_the_user_of_the_container_without_capabilities(
    deployment: RecordingDeployment,
) -> None:
    command = deployment.make_command("web", ["gunicorn", "--check-config"], DJANGO_SECRET_KEY="k")
    text = " ".join(command)
    assert "ip netns exec lavka-web chroot " in text
    assert "setpriv --reuid 10001 --regid 10001 --clear-groups --bounding-set=-all" in text
    assert "PATH=/venv/bin:/bin" in command
    assert {"DATA_DIR=/data", "DB_HOST=db", "DJANGO_SECRET_KEY=k"} <= set(command)
    assert command[-2:] == ["gunicorn", "--check-config"]
    assert "101" in deployment.make_command("nginx", ["nginx"])
    assert "65534" in deployment.make_command("prometheus", ["sh"])


def test_values_of_compose_are_not_escaped(deployment: RecordingDeployment) -> None:
    (script,) = deployment.services["prometheus"]["command"]
    assert '"$METRICS_TOKEN"' in script
    assert "grafana" not in deployment.services
