"""gunicorn configuration: ``gunicorn --config python:backend.config.gunicorn``."""

import gc
import resource
from threading import Thread
from typing import Any
from urllib.parse import quote

from gunicorn.glogging import Logger

from backend.config import web_worker
from backend.config.environment import read_environment


class AccessLogger(Logger):
    """gunicorn's logger with the path as the client sent it, so that a path cannot forge a line."""

    def atoms(self, resp: Any, req: Any, environ: Any, request_time: Any) -> dict[str, Any]:
        """Return the values of `access_log_format`."""
        path = quote(environ["RAW_URI"].partition("?")[0], safe="/%")
        return {**super().atoms(resp, req, environ, request_time), "path": path}


# New objects after which the garbage collector runs: those of several large responses.
GC_THRESHOLD = 50_000

_env = read_environment()

wsgi_app = "backend.config.wsgi"
bind = f"0.0.0.0:{_env.port}"
workers = _env.web_workers
worker_class = "backend.config.web_worker.WebWorker"
# Per worker. When half of them are idle, the longest idle connections are closed.
worker_connections = 2000
# Seconds. Load balancers must close idle connections first, and most do so after 60 seconds.
keepalive = 75
accesslog = "-"
access_log_format = "%(m)s %(path)s %(s)s %(M)sms"
logger_class = AccessLogger
control_socket_disable = True
# The default timeout of a query for web processes only; commands and tasks may take longer.
raw_env = [f"DB_STATEMENT_TIMEOUT={_env.db_statement_timeout or 4}"]


def on_starting(server: Any) -> None:
    """Raise the limit of open files, which the workers inherit, to the system's maximum."""
    _, maximum = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (maximum, maximum))


def on_reload(server: Any) -> None:
    """Let the running workers serve until the new ones are ready."""
    web_worker.reloads.start()


def post_worker_init(worker: Any) -> None:
    """Tune garbage collection, and check the object storage in the first worker without delaying requests."""
    tune_garbage_collection()
    if worker.age == 1:
        Thread(target=_check_media, args=[worker.log], daemon=True).start()


def tune_garbage_collection() -> None:
    """Search the objects of requests for garbage, after many of them, and not the loaded modules.

    Requests free nearly all of their objects without the collector. By default it searches everything many
    times in each larger request.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)


def _check_media(log: Any) -> None:
    # Django is not set up before the worker starts.
    from backend.core.media.storage import check_media_storage

    error = check_media_storage()
    if error:
        log.error("%s Pictures cannot be stored; see manage.py check_storage.", error)
