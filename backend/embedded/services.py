"""The embedded services of one data directory: who may run them, and for how long."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from backend.embedded import addresses, console, mail_sink, postgres, processes, valkey


@dataclass(frozen=True)
class Owner:
    """The process that holds a data directory, and what it said about itself."""

    pid: int
    about: str


class AlreadyRunning(processes.EmbeddedError):
    """Somebody else holds the data directory."""

    def __init__(self, data_dir: Path, owner: Owner | None) -> None:
        self.owner = owner
        about = f"{owner.about} (process {owner.pid})" if owner else "it is just starting"
        super().__init__(f"Already running in {data_dir}: {about}.")


@contextmanager
def claim(data_dir: Path, about: str) -> Iterator[None]:
    """Hold ``data_dir`` alone as long as the context or this process lives, and stop what a killed run left.

    Arguments:
        about: what others are told about the holder, such as its URL.

    Raises:
        AlreadyRunning: another process holds it.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "lock").open("a+") as file:
        try:
            # Not flock: forked children would inherit that lock, and keep it after a killed runner.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise AlreadyRunning(data_dir, _read_owner(data_dir)) from None
        file.truncate(0)
        json.dump({"pid": os.getpid(), "about": about}, file)
        file.flush()
        count = processes.stop_leftovers(data_dir)
        if count:
            console.say("shop", f"Stopped {count} processes that a killed run left behind")
        yield


def _read_owner(data_dir: Path) -> Owner | None:
    try:
        return Owner(**json.loads((data_dir / "lock").read_text()))
    except ValueError:
        return None


@contextmanager
def running(
    data_dir: Path,
    *,
    database: str | None,
    database_user: str = postgres.SUPERUSER,
    valkey_too: bool,
    mail_too: bool,
    for_tests: bool = False,
) -> Iterator[dict[str, Popen[bytes]]]:
    """Run the services of a claimed ``data_dir`` and stop them in order at the end.

    Arguments:
        database: the name of PostgreSQL's database; None starts no PostgreSQL.
        for_tests: trade durability for speed and keep the console quiet.

    Returns:
        The processes by service name.

    Raises:
        EmbeddedError: one of them cannot be started.
    """
    started: dict[str, Popen[bytes]] = {}
    with ExitStack() as stack:
        stack.enter_context(_sockets(data_dir))
        if database is not None:
            started["PostgreSQL"] = postgres.start(
                data_dir, database=database, user=database_user, durable=not for_tests
            )
            stack.callback(postgres.stop, started["PostgreSQL"])
        if valkey_too:
            started["Valkey"] = valkey.start(data_dir)
            stack.callback(valkey.stop, started["Valkey"])
        if mail_too:
            log = data_dir / "mail.log" if for_tests else None
            started["The mail sink"] = mail_sink.start(data_dir, log=log)
            stack.callback(mail_sink.stop, started["The mail sink"])
            if log is None:
                console.relay("mail", started["The mail sink"])
        yield started


@contextmanager
def _sockets(data_dir: Path) -> Iterator[None]:
    # Only we may enter the directory. It can lie in /tmp: take none that somebody else put there.
    directory = addresses.socket_dir(data_dir)
    directory.mkdir(mode=0o700, exist_ok=True)
    if directory.is_symlink() or directory.stat().st_uid not in (
        os.geteuid(),
        data_dir.stat().st_uid,
        postgres.NOBODY,
    ):
        raise processes.EmbeddedError(f"{directory} belongs to somebody else; remove it.")
    directory.chmod(0o700)
    try:
        yield
    finally:
        shutil.rmtree(directory)
