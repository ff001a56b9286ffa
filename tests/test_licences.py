"""The licences that pyproject.toml allows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT_DIR = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("MIT", True),
        ("Apache-2.0 OR BSD-2-Clause", True),
        ("AGPL-3.0-only", False),
        ("MIT AND GPL-3.0-only", False),
        ("", False),
    ],
)
def test_package_with_another_licence_is_refused(tmp_path: Path, licence: str, allowed: bool) -> None:
    info = tmp_path / "trial-1.dist-info"
    info.mkdir()
    expression = f"License-Expression: {licence}\n" if licence else ""
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: trial\nVersion: 1\n{expression}")

    done = subprocess.run(
        [Path(sys.executable).with_name("pip-licenses"), "--packages", "trial"],
        cwd=PROJECT_DIR,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "trial" in done.stdout + done.stderr
    assert (done.returncode == 0) is allowed, done.stderr
