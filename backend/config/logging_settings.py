"""Django's `LOGGING`: handlers, levels and filters."""

from typing import Any


def make_logging_settings(level: str, log_format: str) -> dict[str, Any]:
    """Return a configuration for `logging.config.dictConfig`.

    Args:
        level: the name of a level, like "INFO". Tasks are logged in detail at "DEBUG" only.
        log_format: "text" or "json".
    """
    tasks_level = "DEBUG" if level == "DEBUG" else "WARNING"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "text": {
                "()": "backend.core.logs.TextFormatter",
                "format": "%(levelname)s %(name)s %(message)s",
            },
            "json": {"()": "backend.core.logs.JsonFormatter"},
        },
        "filters": {
            "bugs": {"()": "backend.core.problems.BugFilter"},
            "one_line": {"()": "backend.core.logs.OneLineFilter"},
            "outages": {"()": "backend.core.logs.OutageFilter"},
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": log_format}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            # Log bugs. Requests that are refused (4xx) are not logged, and what returns a 503 logs its cause
            # in one line.
            "django.request": {"level": "ERROR", "filters": ["bugs"]},
            # `core.problems.bad_request` logs a refused host in one line, without a stack trace.
            "django.security.DisallowedHost": {"level": "CRITICAL"},
            # `core.health` logs failed checks in one line, without stack traces.
            "health_check": {"level": "ERROR", "filters": ["one_line"]},
            # An import runs thousands of tasks: do not log the start and the end of each.
            "celery.worker.strategy": {"level": tasks_level},
            "celery.worker.consumer.consumer": {"filters": ["one_line"]},
            "celery.worker.request": {"filters": ["outages"]},
            "celery.app.trace": {"level": tasks_level, "filters": ["outages"]},
            # The logger of Celery's process pool, which does not propagate its records.
            "multiprocessing": {"handlers": ["console"], "level": "ERROR", "propagate": False},
        },
    }
