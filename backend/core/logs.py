"""Log formatters: one line or one JSON object for each record, without personal data."""

import logging
import re
from datetime import UTC, datetime
from typing import Any

import orjson
from django.db import InterfaceError, OperationalError
from kombu.exceptions import OperationalError as BrokerError
from redis import RedisError

from backend.core.errors import Unavailable
from backend.core.request_record import get_record

_EMAIL_ADDRESS = re.compile(r"[^\s@'\"<>(),;:=]+@[^\s@'\"<>(),;:=]+\.\w+")
# PostgreSQL repeats the values of a refused row in these lines.
_DATABASE_DETAIL = re.compile(r"^(DETAIL|CONTEXT): .*$", re.MULTILINE)


def remove_personal_data(text: str) -> str:
    """Remove e-mail addresses, and the details of PostgreSQL's errors, which contain values of rows."""
    if "DETAIL: " in text or "CONTEXT: " in text:
        text = _DATABASE_DETAIL.sub(r"\1: [removed]", text)
    return _EMAIL_ADDRESS.sub("[email]", text) if "@" in text else text


class OneLineFilter(logging.Filter):
    """Replace the stack trace of a record by the exception in the same line."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Accept the record, without its stack trace."""
        if record.exc_info:
            error = record.exc_info[1]
            line = f"{record.getMessage()}: {type(error).__name__}: {error}"
            record.msg, record.args, record.exc_info = " ".join(line.split()), None, None
        return True


class OutageFilter(OneLineFilter):
    """Log what failed in an outage as a warning in one line, and other exceptions with stack traces."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Accept the record, without its stack trace if it is about an outage."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, OperationalError | InterfaceError | RedisError | Unavailable | BrokerError):
            record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
            # Celery's own message calls it unexpected and repeats the error.
            if isinstance(record.args, dict) and "name" in record.args:
                record.msg = "Task %(name)s[%(id)s] failed because a service is down"
            super().filter(record)
        return True


class TextFormatter(logging.Formatter):
    """Text with the request id at the end of the first line, if there is one."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  overridden
        line = super().formatMessage(record)
        request_id = getattr(record, "request_id", None) or _get_current_id()
        return f"{line} [{request_id}]" if request_id else line

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        return remove_personal_data(super().format(record))


class JsonFormatter(logging.Formatter):
    """One JSON object per record.

    `request_id`, `task` and `task_id` are present in requests and tasks, and `exception`, the stack trace,
    for a logged exception. Other attributes of a record are left out, since they can hold personal data.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON in one line."""
        current = get_record()
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": remove_personal_data(record.getMessage()),
        }
        request_id = getattr(record, "request_id", None) or _get_current_id()
        if request_id:
            entry["request_id"] = request_id
        if current and current.task:
            entry["task"] = current.task
            entry["task_id"] = current.task_id
        if record.exc_info:
            entry["exception"] = remove_personal_data(self.formatException(record.exc_info))
        # Headers and messages can contain lone surrogates, which orjson refuses.
        text = {key: value.encode("utf-8", "replace").decode() for key, value in entry.items()}
        return orjson.dumps(text).decode()


def _get_current_id() -> str | None:
    current = get_record()
    return current.request_id if current else None
