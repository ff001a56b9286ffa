"""How gunicorn serves the shop: ``gunicorn --config python:backend.config.gunicorn``."""

import resource
from threading import Thread
from typing import Any

from backend.config.environment import read_environment

_env = read_environment()

wsgi_app = "backend.config.wsgi"
bind = f"0.0.0.0:{_env.port}"
workers = _env.web_workers
worker_class = "backend.config.web_worker.WebWorker"
# Connections of one worker. Beyond half of them the longest idle ones are closed.
worker_connections = 2000
# Seconds; longer than load balancers keep a connection, so that they close it first.
keepalive = 75
accesslog = "-"
access_log_format = "%(m)s %(U)s %(s)s %(M)sms"
control_socket_disable = True
# No request waits longer for one query; commands and tasks may.
raw_env = [f"DB_STATEMENT_TIMEOUT={_env.db_statement_timeout or 4}"]


def on_starting(server: Any) -> None:
    """Let the workers, which inherit it, have as many open connections as the system allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def post_worker_init(worker: Any) -> None:
    """Let the first worker say what is wrong with the object storage; nobody waits for that."""
    if worker.age == 1:
        Thread(target=_report_media, args=[worker.log], daemon=True).start()


def _report_media(log: Any) -> None:
    # Not before the worker has set Django up.
    from backend.core.media.storage import check_media_storage

    fault = check_media_storage()
    if fault:
        log.error("%s Pictures cannot be stored; see manage.py check_storage.", fault)
