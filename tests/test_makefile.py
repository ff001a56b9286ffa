"""Error messages of the Makefile."""

import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT_DIR = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("package", ["chromium", "nginx", "wrk"])
def test_missing_program_is_reported_with_the_package_to_install(tmp_path: Path, package: str) -> None:
    # PATH contains only an `id` that reports a user other than root.
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "id").chmod(0o755)
    make = shutil.which("make")
    assert make

    done = subprocess.run(
        [make, package, f"SBIN={tmp_path}"],
        cwd=PROJECT_DIR,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode
    assert f"Install the package {package}." in done.stdout
