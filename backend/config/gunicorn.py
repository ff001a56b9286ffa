"""gunicorn configuration: ``gunicorn --config python:backend.config.gunicorn``."""

import os
import resource
import shutil
import tempfile
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

from gunicorn.glogging import Logger

from backend.config import web_worker
from backend.config.environment import read_environment
from backend.config.memory import tune_allocator, tune_garbage_collection
from backend.core.logs import JsonFormatter


class AccessLogger(Logger):
    """gunicorn's logger with the path as the client sent it, so that a path cannot forge a line.

    With ``LOG_FORMAT=json`` it logs objects, which have the request id as a member.
    """

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        if _env.log_format == "json":
            for log in (self.error_log, self.access_log):
                for handler in log.handlers:
                    handler.setFormatter(JsonFormatter())

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """Log a response, with the request id that the shop has sent with it."""
        headers = {name.lower(): value for name, value in resp.headers}
        self.access_log.info(
            self.cfg.access_log_format,
            self.atoms_wrapper_class(self.atoms(resp, req, environ, request_time)),
            extra={"request_id": headers.get("x-request-id")},
        )

    def warning(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log a warning, without the client's address and the header of a malformed request."""
        if msg.startswith("Invalid request from ip="):
            msg = "A malformed request was refused."
        super().warning(msg, *args, **kwargs)

    def atoms(self, resp: Any, req: Any, environ: Any, request_time: Any) -> dict[str, Any]:
        """Return the values of `access_log_format`."""
        path = quote(environ["RAW_URI"].partition("?")[0], safe="/%")
        return {**super().atoms(resp, req, environ, request_time), "path": path}


_env = read_environment()

wsgi_app = "backend.config.wsgi"
bind = f"0.0.0.0:{_env.port}"
workers = _env.web_workers
worker_class = "backend.config.web_worker.WebWorker"
# Per worker. When half of them are idle, the longest idle connections are closed.
worker_connections = 2000
# The maximum. A search of 1,000 Cyrillic letters has 6,000 bytes in a URL.
limit_request_line = 8190
# Seconds. Load balancers must close idle connections first, and most do so after 60 seconds.
keepalive = 75
accesslog = "-"
access_log_format = "%(m)s %(path)s %(s)s %(M)sms"
if _env.log_format == "text":
    # The object of ``LOG_FORMAT=json`` has the id as a member.
    access_log_format += " [%({x-request-id}o)s]"
logger_class = AccessLogger
control_socket_disable = True
# The default timeout of a query for web processes only; commands and tasks may take longer.
raw_env = [f"DB_STATEMENT_TIMEOUT={_env.db_statement_timeout or 4}"]


def on_starting(server: Any) -> None:
    """Raise the limit of open files, which the workers inherit, to the system's maximum."""
    _, maximum = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (maximum, maximum))
    if _env.metrics_token:
        _make_metrics_directory()


def child_exit(server: Any, worker: Any) -> None:
    """Add the counts of an ended worker to those of all ended workers, and remove its files."""
    if _env.metrics_token:
        from backend.core.metrics_files import DIRECTORY_VARIABLE, merge_dead_processes

        merge_dead_processes(Path(os.environ[DIRECTORY_VARIABLE]), server.WORKERS.keys())


def on_exit(server: Any) -> None:
    """Remove the files of the metrics."""
    if _env.metrics_token:
        shutil.rmtree(_get_metrics_directory(os.getpid()), ignore_errors=True)


def on_reload(server: Any) -> None:
    """Let the running workers serve until the new ones are ready."""
    web_worker.reloads.start()


def post_fork(server: Any, worker: Any) -> None:
    """Tune the allocator while the worker has one thread."""
    tune_allocator()


def post_worker_init(worker: Any) -> None:
    """Tune garbage collection, and check the object storage in the first worker without delaying requests."""
    tune_garbage_collection()
    if worker.age == 1:
        Thread(target=_check_media, args=[worker.log], daemon=True).start()


def _make_metrics_directory() -> None:
    """Make an empty directory for the metrics of this master, and name it to its workers."""
    directory = _get_metrics_directory(os.getpid())
    for other in directory.parent.glob("[0-9]*"):
        # A killed master has left its directory.
        if other == directory or not Path("/proc", other.name).exists():
            shutil.rmtree(other, ignore_errors=True)
    directory.mkdir(mode=0o700, parents=True)
    # The name is in `core.metrics_files`, which must not be imported before the variable is set.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)


def _get_metrics_directory(process: int) -> Path:
    """Return the directory of a master's metrics: in memory where the system has such a directory."""
    shared_memory = Path("/dev/shm")  # noqa: S108  in a directory that belongs to this user
    parent = shared_memory if os.access(shared_memory, os.W_OK) else Path(tempfile.gettempdir())
    return parent / f"lavka-metrics-{os.getuid()}" / str(process)


def _check_media(log: Any) -> None:
    # Django is not set up before the worker starts.
    from backend.core.media.storage import check_media_storage

    error = check_media_storage()
    if error:
        log.error("%s Pictures cannot be stored; see manage.py check_storage.", error)
