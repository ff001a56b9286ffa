"""The shop in one terminal: the services, then web server, worker and beat under one log."""

import os
import shlex
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import FrameType

import django
import psutil
from django.conf import settings
from honcho.manager import Manager

from backend.embedded import first_run, processes, services


def up() -> int:
    """Run the shop until Ctrl-C, SIGTERM or the end of one of its processes, and leave no process behind.

    Returns:
        The exit status: 0 when it was asked to stop.

    Raises:
        EmbeddedError: it already runs, the port is taken or a service cannot be started.
    """
    data_dir: Path = settings.ENV.data_dir
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, _interrupt)
    with services.claim(data_dir, _url()):
        _check_port()
        try:
            with services.running(
                data_dir,
                database=settings.ENV.db_name if settings.EMBED_POSTGRES else None,
                database_user=settings.ENV.db_user,
                valkey_too=settings.EMBED_VALKEY,
                mail_too=settings.EMBED_MAIL,
            ) as pids:
                django.setup()
                first_run.prepare(data_dir)
                return _run_programs(data_dir, pids)
        except KeyboardInterrupt:
            return 0
        finally:
            processes.stop_leftovers(data_dir)


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Once: the clean-up that follows is not interrupted again.
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
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


def _run_programs(data_dir: Path, pids: dict[str, int]) -> int:
    python = sys.executable
    celery = [python, "-m", "celery", "--quiet", "--app", "backend.config.celery"]
    programs = {
        "web": [
            *(python, "-m", "gunicorn", "backend.config.wsgi"),
            *("--bind", f"127.0.0.1:{settings.ENV.port}"),
            *("--workers", str(settings.ENV.web_workers), "--no-control-socket"),
            *("--access-logfile", "-", "--access-logformat", "%(m)s %(U)s %(s)s %(M)sms"),
        ],
        # Threads: a stop then reaches one process, which ends its task, not the processes of a pool as well.
        "worker": [
            *celery,
            "worker",
            "--pool",
            "threads",
            "--concurrency",
            "2",
            "--loglevel",
            "INFO",
            "--without-mingle",
        ],
        "beat": [*celery, "beat", "--schedule", str(data_dir / "beat-schedule"), "--pidfile="],
        "shop": [python, "-m", "backend.embedded", "watch", *(f"{name}={pid}" for name, pid in pids.items())],
    }
    manager = Manager()
    for name, command in programs.items():
        manager.add_process(
            name,
            f"exec {shlex.join(command)}",
            env=processes.environment(data_dir) | {"PYTHONUNBUFFERED": "1"},
            cwd=str(processes.PROJECT_DIR),
        )
    # The manager stops on SIGINT and SIGTERM; a closed terminal is no different.
    signal.signal(signal.SIGHUP, lambda number, frame: os.kill(os.getpid(), signal.SIGTERM))
    manager.loop()
    asked_to_stop = manager.returncode in (128 + signal.SIGINT, 128 + signal.SIGTERM)
    return 0 if asked_to_stop else 1


def watch(pids: dict[str, int]) -> int:
    """Print the shop's addresses once it is ready, then wait until one of the services ends.

    Arguments:
        pids: process ids by service name.

    Returns:
        The exit status, always 1: the runner stops the shop with it.
    """
    started = time.monotonic()
    ready = False
    while True:
        if not ready:
            problem = _not_ready()
            if problem is None:
                ready = True
                print(_welcome(), flush=True)
            elif time.monotonic() > started + 30:
                started = time.monotonic()
                print(f"Not ready after 30 seconds: {problem}", flush=True)
        for name, pid in pids.items():
            if not _is_alive(pid):
                print(
                    f"{name} has ended, so the shop stops. Its log lies in {settings.ENV.data_dir}.",
                    flush=True,
                )
                return 1
        time.sleep(2 if ready else 0.2)


def _not_ready() -> str | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{settings.ENV.port}/health/ready", timeout=10):
            return None
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        return f"/health/ready answers {error.code} {error.read(500).decode(errors='replace')}"
    except OSError as error:
        return str(error)


def _is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _welcome() -> str:
    url = _url()
    login = first_run.staff_login_file(settings.ENV.data_dir)
    lines = [
        "The shop is ready. Ctrl-C stops it.",
        f"  GraphiQL   {url}/graphql",
        f"  Swagger    {url}/docs",
        f"  REST       curl '{url}/products?limit=3'",
        f"  Admin      {url}/admin/" + (f"   {login.read_text().strip()}" if login.exists() else ""),
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
