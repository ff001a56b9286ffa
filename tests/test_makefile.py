"""Error messages of the Makefile."""

import shutil
import subprocess
from pathlib import Path

PROJECT_DIR = Path(__file__).resolve().parents[1]


def test_missing_chromium_is_reported_with_the_package_to_install(tmp_path: Path) -> None:
    # PATH contains only an `id` that reports a user other than root.
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "id").chmod(0o755)
    make = shutil.which("make")
    assert make

    done = subprocess.run(
        [make, "chromium"],
        cwd=PROJECT_DIR,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode
    assert "Install the package chromium." in done.stdout
