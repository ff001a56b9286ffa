"""What `make` says when it cannot do what it is asked."""

import shutil
import subprocess
from pathlib import Path

PROJECT_DIR = Path(__file__).resolve().parents[1]


def test_a_user_without_chromium_is_told_to_install_it(tmp_path: Path) -> None:
    # Nothing but make and a plain user's id can be found.
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
    assert "install the package chromium" in done.stdout
