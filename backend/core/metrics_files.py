"""The files in which the web processes of a host count, in a directory of gunicorn's master.

prometheus_client reads the directory's variable when it is imported, so the master sets it before.
"""

import fcntl
import time
from collections.abc import Iterator, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prometheus_client import mmap_dict

DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

# It has no types.
MmapedDict: Any = mmap_dict.MmapedDict


def merge_dead_processes(directory: Path, living: Set[int]) -> None:
    """Move the values of ended processes to one file for each kind of metric, and remove their files.

    Otherwise each replaced worker would leave files, and without their values counters would decrease.
    If a process reads the files, they stay until the next call.

    Args:
        living: the ids of the processes that may still write.
    """
    try:
        with lock_files(directory, fcntl.LOCK_EX | fcntl.LOCK_NB):
            for path in directory.glob("*_[0-9]*.db"):
                kind, _, process = path.stem.rpartition("_")
                if int(process) not in living:
                    _add_values(path, directory / f"{kind}_ended.db")
                    path.unlink()
    except BlockingIOError:
        return


def _add_values(source: Path, target: Path) -> None:
    totals = MmapedDict(str(target))
    try:
        for key, value, _, _ in MmapedDict.read_all_values_from_file(str(source)):
            total, _ = totals.read_value(key)
            totals.write_value(key, total + value, time.time())
    finally:
        totals.close()


@contextmanager
def lock_files(directory: Path, operation: int) -> Iterator[None]:
    """Lock the files of a directory: LOCK_SH to read them, LOCK_EX to replace them."""
    with (directory / "lock").open("a") as lock:
        fcntl.flock(lock, operation)
        yield
