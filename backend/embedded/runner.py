"""The shop in one terminal: the services, then web server, worker and beat under one log."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import django
from django.conf import settings

from backend.embedded import console, first_run, processes, services

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def up() -> int:
    """Run the shop until Ctrl-C, SIGTERM or the end of one of its processes, and leave no process behind.

    Returns:
        The exit status: 0 when it was asked to stop.

    Raises:
        EmbeddedError: it already runs, the port is taken or a service cannot be started.
    """
    data_dir: Path = settings.ENV.data_dir
    for sign in _STOPPING:
        # Under nohup the terminal may close.
        if sign != signal.SIGHUP or signal.getsignal(sign) != signal.SIG_IGN:
            signal.signal(sign, _interrupt)
    try:
        with services.claim(data_dir, _url()):
            _check_port()
            try:
                _run(data_dir)
            finally:
                processes.stop_leftovers(data_dir)
    except KeyboardInterrupt:
        return 0
    return 1


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Once: the clean-up that follows is not interrupted again.
    for sign in _STOPPING:
        signal.signal(sign, signal.SIG_IGN)
    raise KeyboardInterrupt


def _url() -> str:
    return f"http://localhost:{settings.ENV.port}"


def _check_port() -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", settings.ENV.port))
        except OSError as error:
            raise processes.EmbeddedError(
                f"Port {settings.ENV.port} cannot be used ({error.strerror}). "
                "Choose another: PORT=8001 make up"
            ) from None


def _run(data_dir: Path) -> None:
    embedded = {
        "PostgreSQL": settings.EMBED_POSTGRES,
        "Valkey": settings.EMBED_VALKEY,
        "a mail sink": settings.EMBED_MAIL,
    }
    names = [name for name, wanted in embedded.items() if wanted]
    if names:
        console.say("shop", f"Starting {', '.join(names)} in {data_dir}")
    with services.running(
        data_dir,
        database=settings.ENV.db_name if settings.EMBED_POSTGRES else None,
        database_user=settings.ENV.db_user,
        valkey_too=settings.EMBED_VALKEY,
        mail_too=settings.EMBED_MAIL,
    ) as service_processes:
        django.setup()
        console.say("shop", "Preparing the database")
        first_run.prepare(data_dir)
        with _programs(data_dir) as program_processes:
            _watch(service_processes | program_processes)


@contextmanager
def _programs(data_dir: Path) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    celery = ["-m", "celery", "--quiet", "--app", "backend.config.celery"]
    # Celery warns at length; on a developer's machine root is welcome.
    may_be_root = ["-W", "ignore:You're running the worker with superuser"]
    commands = {
        "web": [
            *("-m", "gunicorn", "--config", "python:backend.config.gunicorn"),
            *("--bind", f"127.0.0.1:{settings.ENV.port}"),
        ],
        "worker": [
            *(*may_be_root, *celery, "worker"),
            *("--concurrency", "2", "--loglevel", "INFO", "--without-mingle"),
        ],
        "beat": [*celery, "beat", "--schedule", str(data_dir / "beat-schedule"), "--pidfile="],
    }
    started = {}
    relays = []
    try:
        for name, command in commands.items():
            started[name] = processes.spawn([sys.executable, "-u", *command], data_dir)
            relays.append(console.relay(name, started[name]))
        yield started
    finally:
        console.say("shop", "Stopping")
        processes.stop(list(started.values()), signal.SIGTERM)
        for thread in relays:
            thread.join(timeout=1)


def _watch(everything: dict[str, subprocess.Popen[bytes]]) -> None:
    # Says where the shop is once it is ready; returns when one of the processes has ended.
    said_not_ready = time.monotonic()
    ready = False
    while True:
        for name, process in everything.items():
            if process.poll() is not None:
                console.say(
                    "shop", f"{name} has ended (status {process.returncode}), so everything is stopped."
                )
                return
        if not ready:
            problem = _not_ready()
            if problem is None:
                ready = True
                console.say("shop", _welcome())
            elif time.monotonic() > said_not_ready + 30:
                said_not_ready = time.monotonic()
                console.say("shop", f"Not ready yet: {problem}")
        time.sleep(0.2)


def _not_ready() -> str | None:
    host = settings.ALLOWED_HOSTS[0].replace("*", "localhost").lstrip(".")
    question = urllib.request.Request(
        f"http://127.0.0.1:{settings.ENV.port}/health/ready", headers={"Host": host}
    )
    try:
        with urllib.request.urlopen(question, timeout=10):  # noqa: S310 (always http)
            return None
    except urllib.error.HTTPError as error:
        return f"/health/ready answers {error.code} {error.read(500).decode(errors='replace')}"
    except OSError as error:
        return str(error)


def _welcome() -> str:
    url = _url()
    # The log is kept and passed on: the password stands in the file alone.
    login = first_run.staff_login_file(settings.ENV.data_dir)
    login_hint = f"   {first_run.STAFF_EMAIL}, password in {login}" if login.exists() else ""
    lines = [
        "The shop is ready; Ctrl-C stops it.",
        f"  GraphiQL   {url}/graphql",
        f"  Swagger    {url}/docs",
        f"  REST       curl '{url}/products?limit=3'",
        f"  Admin      {url}/admin/{login_hint}",
    ]
    if settings.EMBED_MAIL:
        lines.append(f"  Mails      {settings.ENV.data_dir / 'mail'}")
    return "\n".join(lines)


def down() -> str:
    """Stop the shop of this data directory, or what a killed one left behind.

    Returns:
        What was done, as a sentence.

    Raises:
        EmbeddedError: it does not stop.
    """
    data_dir: Path = settings.ENV.data_dir
    try:
        with services.claim(data_dir, "being stopped"):
            return f"No shop runs in {data_dir}."
    except services.AlreadyRunning as running:
        if running.owner is None:
            raise
        os.kill(running.owner.pid, signal.SIGTERM)
    for _ in range(300):
        try:
            with services.claim(data_dir, "being stopped"):
                return f"The shop in {data_dir} is stopped."
        except services.AlreadyRunning:
            time.sleep(0.1)
    raise processes.EmbeddedError(f"The shop in {data_dir} does not stop.")
