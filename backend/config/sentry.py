"""Reports of bugs to Sentry, without personal data."""

from typing import Any

import sentry_sdk

from backend.core.logs import remove_personal_data
from backend.core.request_record import get_record


def start_sentry(dsn: str) -> None:
    """Report what this process logs as an error.

    Local variables, bodies and headers can contain passwords, tokens and addresses, and are not sent.

    Args:
        dsn: the address of the project in Sentry, with its public key.
    """
    sentry_sdk.init(
        dsn=dsn,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        before_send=_prepare_event,
    )


def _prepare_event(event: Any, hint: Any) -> Any:
    """Reduce an event to the exception, the route and the id of the request."""
    request = event.pop("request", {})
    if request:
        event["request"] = {"method": request.get("method"), "url": request.get("url")}
    for part in ("user", "extra", "breadcrumbs"):
        event.pop(part, None)
    record = get_record()
    if record:
        event["tags"] = {"request_id": record.request_id, "task": record.task}
    for value in event.get("exception", {}).get("values", ()):
        value["value"] = remove_personal_data(str(value.get("value", "")))
    if "logentry" in event:
        text = event["logentry"].get("formatted") or event["logentry"].get("message", "")
        event["logentry"] = {"formatted": remove_personal_data(text)}
    return event
