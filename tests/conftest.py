import fcntl
import os
from pathlib import Path

import pytest

from backend.catalog.sample.pictures import draw_pictures


@pytest.fixture(scope="session")
def sample_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pictures of the sample catalogue, which take long: drawn once for all of pytest-xdist's workers."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with (folder / "sample.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        draw_pictures(folder / "sample")
    return folder / "sample"
