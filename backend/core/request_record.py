"""The record of the current request or task, for logs, error responses and metrics."""

import re
import uuid
from contextvars import ContextVar
from dataclasses import dataclass

REQUEST_ID_HEADER = "X-Request-ID"
# Neither an e-mail address nor a line break matches.
_WELL_FORMED_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


@dataclass(eq=False, slots=True)
class RequestRecord:
    """The identity of a request or task, and what its code reports about it.

    Attributes:
        request_id: the client's id of the request, or a new one. Tasks have the id of the request that has
            enqueued them.
        task: the name of the Celery task; empty in a request.
        task_id: Celery's id of the task; empty in a request.
        operation: the root field of a GraphQL operation, if it is known.
        error_code: the code of the response's first error; empty if it has none.
        cache_result: "hit" or "miss" if the response cache was asked; else empty.
        database_seconds: time that the request has waited for PostgreSQL.
        database_calls: number of statements, commits, rollbacks and connections.
        accept_language: the header Accept-Language, empty if it was not sent; None in a task.
        account_language: the language of the viewer's account; empty if it is not known.
        message_language: the language of the messages in the response; empty if it has none.
    """

    request_id: str
    task: str = ""
    task_id: str = ""
    operation: str = ""
    error_code: str = ""
    cache_result: str = ""
    database_seconds: float = 0.0
    database_calls: int = 0
    accept_language: str | None = None
    account_language: str = ""
    message_language: str = ""


_current: ContextVar[RequestRecord | None] = ContextVar("request_record", default=None)
get_record = _current.get
set_record = _current.set
reset_record = _current.reset


def choose_request_id(sent: str | None) -> str:
    """Return the id that a client or a proxy has sent if it is well-formed, else a new one.

    A well-formed id has 8 to 64 letters, digits, dots, hyphens and underscores.
    """
    return sent if sent and _WELL_FORMED_ID.fullmatch(sent) else uuid.uuid4().hex


def get_request_id() -> str | None:
    """Return the id of the current request, or None outside requests and tasks."""
    record = _current.get()
    return record.request_id if record else None


def record_error_code(code: str) -> None:
    """Report the code of the response's first error."""
    record = _current.get()
    if record:
        record.error_code = code


def record_account_language(language: str) -> None:
    """Report the language of the viewer's account; empty if the account has none."""
    record = _current.get()
    if record:
        record.account_language = language


def record_cache_result(result: str) -> None:
    """Report whether the response comes from the response cache: "hit" or "miss"."""
    record = _current.get()
    if record:
        record.cache_result = result


def record_database_call(seconds: float) -> None:
    """Add one call of PostgreSQL to the current request."""
    record = _current.get()
    if record:
        record.database_seconds += seconds
        record.database_calls += 1
