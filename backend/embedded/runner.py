"""Run the services, the web server, the worker and beat in one terminal, with one log.

A process that ends is restarted, several times (see ``supervisor``).
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import django
from django.conf import settings

from backend.config.environment import Environment
from backend.embedded import addresses, console, first_run, processes, services
from backend.embedded.supervisor import Service, restart_ended_services

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_stop_requested = threading.Event()


class _StopRequested(KeyboardInterrupt):
    # A plain KeyboardInterrupt that passes through exec(), as of a dataclass during an import, makes Python
    # end by SIGINT even if it is caught later (pymain_run_python in CPython's Modules/main.c).
    pass


def up(env: Environment) -> int:
    """Run the shop until Ctrl-C, SIGTERM or a process that keeps ending, and stop every process.

    Returns:
        The exit status: 0 after a signal, 1 after a process that keeps ending.

    Raises:
        EmbeddedError: the shop is already running, the port is in use, a service does not start, or there is
            no secret key.
    """
    if not env.django_secret_key:
        raise processes.EmbeddedError("DJANGO_SECRET_KEY is not set. .env.example has one for development.")
    try:
        for number in _STOP_SIGNALS:
            # Under nohup SIGHUP stays ignored.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, _interrupt)
        with services.lock_data_directory(env.data_dir, _format_url(env.port)):
            _check_port(env.port)
            try:
                _run(env)
            finally:
                processes.stop_leftovers(env.data_dir)
    except _StopRequested:
        return 0
    return 1


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Further signals must not interrupt the clean-up.
    for stop_signal in _STOP_SIGNALS:
        signal.signal(stop_signal, signal.SIG_IGN)
    _stop_requested.set()
    raise _StopRequested


def _format_url(port: int) -> str:
    return f"http://localhost:{port}"


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise processes.EmbeddedError(
                f"Port {port} cannot be used ({error.strerror}). Choose another: PORT=8001 make up"
            ) from None


def _run(env: Environment) -> None:
    embedded = {
        "PostgreSQL": not env.db_host,
        "Valkey": not env.redis_url,
        "a mail sink": not env.smtp_server_addr,
    }
    names = [name for name, wanted in embedded.items() if wanted and env.debug]
    if names:
        console.log("shop", f"Starting {', '.join(names)} in {env.data_dir}")
    with services.run_services(
        env.data_dir,
        database=env.db_name if "PostgreSQL" in names else None,
        database_user=env.db_user,
        with_valkey="Valkey" in names,
        with_mail_sink="a mail sink" in names,
        port=env.port,
    ) as started:
        # For the settings of this process and for the processes that it starts.
        os.environ.update(started.variables)
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.config.settings")
        django.setup()
        console.log("shop", "Preparing the database")
        first_run.prepare(env.data_dir)
        with _run_programs(env.data_dir) as programs:
            _watch([*started.services.values(), *programs])


@contextmanager
def _run_programs(data_dir: Path) -> Iterator[list[Service]]:
    celery = ["-m", "celery", "--quiet", "--app", "backend.config.celery"]
    # Celery warns about running as root, which is fine on a developer's machine.
    allow_root = ["-W", "ignore:You're running the worker with superuser"]
    commands = {
        "web": [
            *("-m", "gunicorn", "--config", "python:backend.config.gunicorn"),
            *("--bind", f"127.0.0.1:{settings.ENV.port}"),
        ],
        "worker": [
            *(*allow_root, *celery, "worker"),
            *("--concurrency", "2", "--loglevel", "INFO", "--without-mingle", "--without-gossip"),
        ],
        "beat": [
            *(*celery, "beat", "--scheduler", "backend.config.beat:Scheduler"),
            *("--schedule", str(data_dir / "beat-schedule"), "--pidfile="),
        ],
    }
    relays = {name: console.Relay(name) for name in commands}
    started: list[Service] = []
    try:
        for name, command in commands.items():
            service = _make_program(name, command, data_dir, relays[name])
            service.start_process()
            started.append(service)
        yield started
    finally:
        console.log("shop", "Stopping")
        processes.stop([service.process for service in started], signal.SIGTERM)
        for relay in relays.values():
            relay.join()


def _make_program(name: str, command: list[str], data_dir: Path, relay: console.Relay) -> Service:
    leader: int | None = None

    def start() -> subprocess.Popen[bytes]:
        nonlocal leader
        # The children of a killed web server keep its port. Those of a killed worker finish their tasks.
        if leader is not None and name == "web":
            processes.stop_session(leader, data_dir)
        process = processes.spawn([sys.executable, "-u", *command], data_dir)
        leader = process.pid
        relay.start(process)
        return process

    return Service(
        name, start, lambda process: processes.stop([process], signal.SIGTERM), relay.read_last_lines
    )


def _watch(running: list[Service]) -> None:
    # Log the URLs when the shop is ready, and return when a process keeps ending.
    last_report = time.monotonic()
    ready = False
    while True:
        if _stop_requested.is_set():
            # The code that ran when the signal arrived has discarded the exception.
            raise _StopRequested
        if problem := restart_ended_services(running):
            console.log("shop", f"{problem}\nStopping all processes.")
            return
        if not ready:
            problem = _find_readiness_problem()
            if problem is None:
                ready = True
                console.log("shop", _format_welcome())
            elif time.monotonic() > last_report + 30:
                last_report = time.monotonic()
                console.log("shop", f"Not ready yet: {problem}")
        time.sleep(0.2)


def _find_readiness_problem() -> str | None:
    host = settings.ALLOWED_HOSTS[0].replace("*", "localhost").lstrip(".")
    request = urllib.request.Request(
        f"http://127.0.0.1:{settings.ENV.port}/health/ready", headers={"Host": host}
    )
    try:
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310 (always http)
            return None
    except urllib.error.HTTPError as error:
        return f"/health/ready returns {error.code} {error.read(500).decode(errors='replace')}"
    except OSError as error:
        return str(error)


def _format_welcome() -> str:
    url = _format_url(settings.ENV.port)
    # Logs are saved and shared, so the password is in the file only.
    login = first_run.get_staff_login_file(settings.ENV.data_dir)
    login_hint = f"   {first_run.STAFF_EMAIL}, password in {login}" if login.exists() else ""
    lines = [
        "The shop is ready; Ctrl-C stops it.",
        *([f"  Storefront {url}/"] if settings.STOREFRONT else []),
        f"  GraphiQL   {url}/graphql",
        f"  Swagger    {url}/docs",
        f"  REST       curl '{url}/products?limit=3'",
        f"  Admin      {url}/admin/{login_hint}",
    ]
    if addresses.get_mail_port_file(settings.ENV.data_dir).exists():
        lines.append(f"  Mails      {settings.ENV.data_dir / 'mail'}")
    return "\n".join(lines)


def down(data_dir: Path) -> str:
    """Stop the shop of ``data_dir``, or the processes of a killed run.

    Returns:
        A message about the result.

    Raises:
        EmbeddedError: the shop does not stop.
    """
    try:
        with services.lock_data_directory(data_dir, "being stopped"):
            return f"No shop runs in {data_dir}."
    except services.AlreadyRunning as running:
        if running.owner is None:
            raise
        os.kill(running.owner.pid, signal.SIGTERM)
    for _ in range(300):
        try:
            with services.lock_data_directory(data_dir, "being stopped"):
                return f"The shop in {data_dir} is stopped."
        except services.AlreadyRunning:
            time.sleep(0.1)
    raise processes.EmbeddedError(f"The shop in {data_dir} does not stop.")
