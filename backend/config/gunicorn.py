"""How gunicorn serves the shop: ``gunicorn --config python:backend.config.gunicorn``."""

from backend.config.environment import read_environment

_env = read_environment()

wsgi_app = "backend.config.wsgi"
bind = f"0.0.0.0:{_env.port}"
workers = _env.web_workers
accesslog = "-"
access_log_format = "%(m)s %(U)s %(s)s %(M)sms"
control_socket_disable = True
# No request waits longer for one query; commands and tasks may.
raw_env = [f"DB_STATEMENT_TIMEOUT={_env.db_statement_timeout or 10}"]
