"""Lock a data directory and run the embedded services in it."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen

from backend.config.environment import get_addresses_file
from backend.embedded import addresses, console, mail_sink, postgres, processes, valkey
from backend.embedded.supervisor import Service


@dataclass(frozen=True)
class Owner:
    """The process that holds a data directory, with its own description."""

    pid: int
    description: str


class AlreadyRunning(processes.EmbeddedError):
    """Another process holds the data directory."""

    def __init__(self, data_dir: Path, owner: Owner | None) -> None:
        self.owner = owner
        description = f"{owner.description} (process {owner.pid})" if owner else "it is just starting"
        super().__init__(f"Already running in {data_dir}: {description}.")


@contextmanager
def lock_data_directory(data_dir: Path, description: str) -> Iterator[None]:
    """Lock ``data_dir`` until the context or this process ends, and stop the processes of a killed run.

    Args:
        description: of the holder, such as its URL, for the message that other processes get.

    Raises:
        AlreadyRunning: another process holds it.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "lock").open("a+") as file:
        try:
            # Not flock: forked children inherit that lock and keep it after the runner is killed.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise AlreadyRunning(data_dir, _read_owner(data_dir)) from None
        file.truncate(0)
        json.dump({"pid": os.getpid(), "description": description}, file)
        file.flush()
        count = processes.stop_leftovers(data_dir)
        if count:
            console.log("shop", f"Stopped {count} processes that a killed run left behind")
        get_addresses_file(data_dir).unlink(missing_ok=True)
        yield


def _read_owner(data_dir: Path) -> Owner | None:
    try:
        return Owner(**json.loads((data_dir / "lock").read_text()))
    except (ValueError, TypeError):
        # The owner is writing it.
        return None


@dataclass(frozen=True)
class RunningServices:
    """The started services.

    Attributes:
        services: by name.
        variables: the environment variables that lead to the services and to the web server.
    """

    services: dict[str, Service] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def processes(self) -> dict[str, Popen[bytes]]:
        """The current processes by the name of the service."""
        return {name: service.process for name, service in self.services.items()}


@contextmanager
def run_services(
    data_dir: Path,
    *,
    database: str | None,
    database_user: str = postgres.SUPERUSER,
    with_valkey: bool,
    with_mail_sink: bool,
    port: int | None = None,
    for_tests: bool = False,
) -> Iterator[RunningServices]:
    """Run services in a locked ``data_dir`` and stop them in reverse order at the end.

    While they run, their addresses are in the file of `backend.config.environment.get_addresses_file`.

    Args:
        database: the name of PostgreSQL's database; None starts no PostgreSQL.
        port: of the web server that uses the services, for the file.
        for_tests: trade durability for speed and print nothing.

    Raises:
        EmbeddedError: a service does not start.
    """
    started = RunningServices(variables={} if port is None else {"PORT": str(port)})
    with ExitStack() as stack:
        stack.enter_context(_create_socket_dir(data_dir))

        def run(service: Service) -> None:
            service.start_process()
            stack.callback(service.stop_process)
            started.services[service.name] = service

        if database is not None:
            run(
                Service(
                    "PostgreSQL",
                    lambda: postgres.start(
                        data_dir, database=database, user=database_user, durable=not for_tests
                    ),
                    postgres.stop,
                    lambda: processes.read_last_lines(data_dir / "postgres.log"),
                )
            )
            started.variables.update(addresses.get_postgres_variables(data_dir))
        if with_valkey:
            run(
                Service(
                    "Valkey",
                    lambda: valkey.start(data_dir),
                    valkey.stop,
                    lambda: processes.read_last_lines(data_dir / "valkey.log"),
                )
            )
            started.variables.update(addresses.get_valkey_variables(data_dir))
        if with_mail_sink:
            run(_make_mail_sink(data_dir, log=data_dir / "mail.log" if for_tests else None))
            started.variables.update(addresses.get_mail_variables(data_dir))
        stack.enter_context(_write_addresses_file(data_dir, started.variables))
        yield started


def _make_mail_sink(data_dir: Path, log: Path | None) -> Service:
    port = 0
    relay = console.Relay("mail")

    def start() -> Popen[bytes]:
        # The shop has the port of the first start in its settings.
        nonlocal port
        server = mail_sink.start(data_dir, port=port, log=log)
        port = int(addresses.get_mail_port_file(data_dir).read_text())
        if log is None:
            relay.start(server)
        return server

    return Service(
        "The mail sink",
        start,
        mail_sink.stop,
        relay.read_last_lines if log is None else lambda: processes.read_last_lines(log),
    )


@contextmanager
def _write_addresses_file(data_dir: Path, variables: dict[str, str]) -> Iterator[None]:
    file = get_addresses_file(data_dir)
    unfinished = file.with_suffix(".new")
    lines = [
        "# Written by `make up` while it runs.",
        *(f"{name}='{value}'" for name, value in variables.items()),
    ]
    unfinished.write_text("\n".join(lines) + "\n")
    unfinished.rename(file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


@contextmanager
def _create_socket_dir(data_dir: Path) -> Iterator[None]:
    # Only this user may enter the directory. If it is in /tmp, another user may have created it.
    directory = addresses.get_socket_dir(data_dir)
    directory.mkdir(mode=0o700, exist_ok=True)
    if directory.is_symlink() or directory.stat().st_uid not in (
        os.geteuid(),
        data_dir.stat().st_uid,
        postgres.NOBODY,
    ):
        raise processes.EmbeddedError(f"{directory} belongs to another user. Remove it.")
    directory.chmod(0o700)
    try:
        yield
    finally:
        shutil.rmtree(directory)
