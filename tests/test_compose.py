"""Docker Compose accepts docker-compose.yml, alone and with the file for production."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from backend.config.environment import Environment
from tests.embedded.shop import MAX_SECONDS

PROJECT_DIR = Path(__file__).resolve().parents[1]
DOCKER_COMPOSE = Path(sys.executable).with_name("docker-compose")
PRODUCTION = "examples/compose/production.yml"
MONITORING = {"prometheus", "grafana"}


def run_compose(*arguments: str | Path, files: list[str | Path]) -> subprocess.CompletedProcess[str]:
    """Run Docker Compose without an engine, in an environment without variables of the shop."""
    variables = {name.upper() for name in Environment.model_fields} | {"COMPOSE_FILE", "COMPOSE_PROFILES"}
    return subprocess.run(
        [
            *(DOCKER_COMPOSE, "--project-directory", PROJECT_DIR, "--env-file", os.devnull),
            *(argument for file in files for argument in ("--file", file)),
            *arguments,
        ],
        cwd=PROJECT_DIR,
        env={name: value for name, value in os.environ.items() if name not in variables},
        capture_output=True,
        text=True,
        timeout=MAX_SECONDS,
        check=False,
    )


def read_services(*files: str, profile: str = "") -> dict[str, dict[str, Any]]:
    """Return the services that `docker compose up` starts, with all defaults filled in."""
    options = ["--profile", profile] if profile else []
    done = run_compose(*options, "config", "--format", "json", files=["docker-compose.yml", *files])
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    services: dict[str, dict[str, Any]] = json.loads(done.stdout)["services"]
    return services


def list_ports(service: dict[str, Any]) -> set[tuple[str, str]]:
    return {(port.get("host_ip", ""), port["published"]) for port in service.get("ports", [])}


def test_unknown_key_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "compose.yml"
    file.write_text("services: {web: {image: lavka, read-only: true}}")
    done = run_compose("config", "--quiet", files=[file])
    assert done.returncode != 0
    assert "services.web" in done.stderr


def test_only_local_ports_are_published_and_monitoring_is_off() -> None:
    services = read_services()
    assert not services.keys() & MONITORING
    ports = {name: list_ports(service) for name, service in services.items()}
    assert {name: published for name, published in ports.items() if published} == {
        "nginx": {("127.0.0.1", "8000")},
        "mail": {("127.0.0.1", "8025")},
    }


def test_production_publishes_nginx_alone_and_starts_no_mail_catcher() -> None:
    services = read_services(PRODUCTION, profile="monitoring")
    assert services.keys() >= MONITORING
    assert "mail" not in services
    public = {
        name for name, service in services.items() if {"", "0.0.0.0"} & dict(list_ports(service)).keys()
    }
    assert public == {"nginx"}
    assert list_ports(services["nginx"]) == {("127.0.0.1", "8000"), ("", "80"), ("", "443")}
    mounts = {mount["target"]: mount["source"] for mount in services["nginx"]["volumes"]}
    assert mounts["/etc/nginx/templates/server.conf.template"].endswith("/https.conf.template")
    assert mounts["/etc/nginx/certificates"] == str(PROJECT_DIR / "var/certificates")


@pytest.mark.parametrize("files", [[], [PRODUCTION]])
def test_mounted_files_of_the_repository_exist(files: list[str]) -> None:
    sources = [
        Path(mount["source"])
        for service in read_services(*files, profile="monitoring").values()
        for mount in service.get("volumes", [])
        if mount["type"] == "bind"
    ]
    assert len(sources) >= 7
    for source in sources:
        assert source.is_file() or source.parent == PROJECT_DIR / "var", source


def test_images_have_a_version_and_containers_no_privileges() -> None:
    for name, service in read_services(profile="monitoring").items():
        assert service["image"] == "lavka" or re.search(r":v?\d+(\.\d+)*(-alpine)?$", service["image"]), name
    for name in ("nginx", "web", "worker", "beat", "prometheus", "grafana"):
        service = read_services(profile="monitoring")[name]
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        # Grafana extracts plugins.
        assert service.get("read_only") or name == "grafana", name


def test_grafana_shows_the_dashboard_with_the_data_of_prometheus() -> None:
    services = read_services(profile="monitoring")
    mounts = {mount["target"]: Path(mount["source"]) for mount in services["grafana"]["volumes"]}
    (provider,) = yaml.safe_load(mounts["/etc/grafana/provisioning/dashboards/lavka.yml"].read_text())[
        "providers"
    ]
    dashboard = mounts[f"{provider['options']['path']}/lavka.json"]
    assert dashboard == PROJECT_DIR / "docs/grafana-dashboard.json"
    (source,) = yaml.safe_load(mounts["/etc/grafana/provisioning/datasources/lavka.yml"].read_text())[
        "datasources"
    ]
    (variable,) = json.loads(dashboard.read_text())["templating"]["list"]
    assert (source["type"], source["isDefault"]) == (variable["query"], True)
    assert source["url"] == "http://prometheus:9090"
