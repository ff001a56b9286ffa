"""The files and commands that docs/deployment.md prints work."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from backend.config.environment import PUBLISHED_SECRET_PREFIX, Environment
from tests.embedded.shop import MAX_SECONDS
from tests.support.chart import read_manifests, render_chart

PROJECT_DIR = Path(__file__).resolve().parents[1]
GUIDE = (PROJECT_DIR / "docs/deployment.md").read_text()
DOCKER_COMPOSE = Path(sys.executable).with_name("docker-compose")
VARIABLES = {name.upper() for name in Environment.model_fields}
# Stands for Docker: prints a backup and records its arguments.
DOCKER = """#!/bin/sh
echo "docker $*" >> "$RECORD"
[ -z "${FAILS:-}" ] || exit 1
printf backup
"""
INSTALL = '#!/bin/sh\necho "install $*" >> "$RECORD"\n'


def find_block(kind: str, text: str) -> str:
    """Return the only code block of this kind that contains a text."""
    (block,) = [block for block in re.findall(rf"```{kind}\n(.*?)```", GUIDE, re.DOTALL) if text in block]
    return str(block)


def run_shell(script: str, directory: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script with the programs in ``directory``/bin before those of the system."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES} | variables
    environment["PATH"] = f"{directory}/bin:{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-c", script],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=MAX_SECONDS,
        check=False,
    )


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A directory whose programs `docker` and `install` record their arguments in a file."""
    (tmp_path / "bin").mkdir()
    for name, content in {"docker": DOCKER, "install": INSTALL}.items():
        (tmp_path / "bin" / name).write_text(content)
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def test_commands_have_the_syntax_of_a_shell(tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)
    assert len(blocks) >= 10
    for block in blocks:
        checked = subprocess.run(["sh", "-n"], input=block, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, f"{checked.stderr}\n{block}"


def test_written_configuration_starts_the_shop_in_production(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run_shell(find_block("sh", "cat > .env"), tmp_path)
    assert done.returncode == 0, done.stderr
    file = tmp_path / ".env"
    assert file.stat().st_mode & 0o077 == 0
    command = f"{DOCKER_COMPOSE} --project-directory {PROJECT_DIR} --env-file {file} config --format json"
    done = run_shell(f"cd {PROJECT_DIR} && {command}", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    services: dict[str, Any] = json.loads(done.stdout)["services"]
    # The file for production is used.
    assert "mail" not in services
    assert "443" in {port["published"] for port in services["nginx"]["ports"]}
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in services["web"]["environment"].items():
        monkeypatch.setenv(name, value)
        assert not value.startswith(PUBLISHED_SECRET_PREFIX)
    env = Environment(_env_file=None)
    assert not env.debug
    assert (env.trusted_proxies, env.behind_tls_proxy, env.storefront) == (1, True, True)
    assert env.object_storage_public_url == f"{env.public_url}/media"
    assert len(env.django_secret_key) >= 50
    # nginx, PostgreSQL and the S3 server have the same secrets.
    assert services["db"]["environment"]["POSTGRES_PASSWORD"] == env.db_password
    assert services["s3"]["environment"]["ROOT_SECRET_KEY"] == env.object_storage_secret_key


def test_temporary_certificate_has_the_names_that_nginx_reads(tmp_path: Path) -> None:
    commands, _, _ = find_block("sh", "openssl req").partition("chgrp")
    assert run_shell(commands, tmp_path).returncode == 0
    configuration = (PROJECT_DIR / "examples/compose/nginx/https.conf.template").read_text()
    for file in re.findall(r"ssl_certificate(?:_key)? certificates/(\S+);", configuration):
        assert "-----BEGIN" in (tmp_path / "var/certificates" / file).read_text()


def test_renewed_certificate_is_installed_and_read_by_nginx(programs: Path) -> None:
    hook = re.search(r'"\$PWD/(examples/\S+)"', find_block("sh", "certbot certonly"))
    assert hook
    record = programs / "record"
    lineage = "/etc/letsencrypt/live/shop.example.com"
    done = run_shell(str(PROJECT_DIR / hook[1]), programs, RENEWED_LINEAGE=lineage, RECORD=str(record))
    assert done.returncode == 0, done.stderr
    assert record.read_text().splitlines() == [
        f"install --mode 644 {lineage}/fullchain.pem var/certificates/fullchain.pem",
        f"install --mode 640 --group 101 {lineage}/privkey.pem var/certificates/privkey.pem",
        "docker compose exec -T nginx nginx -s reload",
    ]


def test_nightly_backup_replaces_old_ones_and_keeps_none_that_failed(programs: Path) -> None:
    (line,) = re.findall(r"^30 3 \* \* \* root (.*)$", GUIDE, re.MULTILINE)
    backups = programs / "backups"
    # cron replaces an unescaped % by a line break.
    assert not re.search(r"(?<!\\)%", line)
    script = (
        line.replace("\\%", "%")
        .replace("/srv/lavka", str(programs))
        .replace("/var/backups/lavka", str(backups))
    )
    backups.mkdir()
    old = backups / "2026-01-01.tar"
    old.touch()
    os.utime(old, (0, 0))
    record = str(programs / "record")
    assert run_shell(script, programs, RECORD=record, FAILS="1").returncode != 0
    assert list(backups.glob("*.tar")) == [old]
    assert run_shell(script, programs, RECORD=record).returncode == 0
    (new,) = backups.iterdir()
    assert new.read_text() == "backup"
    assert new.name[:4] == time.strftime("%Y")
    assert new.stat().st_mode & 0o077 == 0


def test_printed_values_install_the_chart() -> None:
    values = yaml.safe_load(find_block("yaml", "repository:"))
    files = render_chart(values, "lavka")
    manifests = read_manifests(files)
    for manifest in manifests:
        kubernetes_validate.validate(manifest, "1.37", strict=True)
    deployments = {each["metadata"]["name"] for each in manifests if each["kind"] == "Deployment"}
    used = set(re.findall(r"deployment/([a-z-]+)", GUIDE))
    assert used
    assert used <= deployments
    notes = files["lavka/templates/NOTES.txt"]
    assert "https://shop.example.com/admin/" in notes
    (port,) = [
        container["ports"][0]
        for each in manifests
        if each["metadata"]["name"] == "lavka-web" and each["kind"] == "Deployment"
        for container in each["spec"]["template"]["spec"]["containers"]
    ]
    # Prometheus scrapes the ports of the pods with this label.
    assert port["containerPort"] == 8000
    assert "__meta_kubernetes_pod_label_app_kubernetes_io_component" in find_block("yaml", "scrape_configs")
