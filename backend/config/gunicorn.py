"""gunicorn configuration: ``gunicorn --config python:backend.config.gunicorn``."""

import resource
from threading import Thread
from typing import Any

from backend.config.environment import read_environment

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
access_log_format = "%(m)s %(U)s %(s)s %(M)sms"
control_socket_disable = True
# The default timeout of a query for web processes only; commands and tasks may take longer.
raw_env = [f"DB_STATEMENT_TIMEOUT={_env.db_statement_timeout or 4}"]


def on_starting(server: Any) -> None:
    """Raise the limit of open files, which the workers inherit, to the system's maximum."""
    _, maximum = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (maximum, maximum))


def post_worker_init(worker: Any) -> None:
    """Check the object storage in the first worker and log an error, without delaying requests."""
    if worker.age == 1:
        Thread(target=_report_media, args=[worker.log], daemon=True).start()


def _report_media(log: Any) -> None:
    # Django is not set up before the worker starts.
    from backend.core.media.storage import check_media_storage

    fault = check_media_storage()
    if fault:
        log.error("%s Pictures cannot be stored; see manage.py check_storage.", fault)
