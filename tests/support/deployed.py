"""Commands of the shop's processes in docker-compose.yml."""

from pathlib import Path

import yaml

PROJECT_DIR = Path(__file__).resolve().parents[2]


def read_deployed_command(service: str, *, data_dir: str | Path = "/data") -> list[str]:
    """Return the command of a service, with ``data_dir`` instead of /data."""
    compose = yaml.safe_load((PROJECT_DIR / "docker-compose.yml").read_text())
    return [word.replace("/data", str(data_dir)) for word in compose["services"][service]["command"]]
