"""A payment provider for tests: its module for the shop, and its side of the webhook."""

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

from backend.core.decimals import parse_decimal
from backend.core.errors import Malformed
from backend.orders.payments.providers import PaymentNotice
from backend.orders.payments.signatures import require_recent, require_signature

SECRET = "the secret of the sandbox"
SETTINGS: dict[str, Any] = {
    "PAYMENT_PROVIDERS": {"sandbox": "tests.support.sandbox_payments"},
    "PAYMENT_SECRETS": {"sandbox": SECRET},
}


def verify_and_parse(body: bytes, headers: Mapping[str, str]) -> PaymentNotice | None:
    """Return the notice in a request; see `Verify`."""
    timestamp = headers.get("X-Sandbox-Timestamp", "")
    message = timestamp.encode() + b"." + body
    require_signature("sandbox", message, headers.get("X-Sandbox-Signature", ""))
    require_recent(timestamp)
    try:
        event = json.loads(body)
        if event["type"] != "payment.succeeded":
            return None
        return PaymentNotice(
            number=str(event["order"]),
            reference=str(event["id"]),
            amount=parse_decimal(event["amount"]),
            currency=str(event["currency"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Malformed("The body must be a JSON object with type, order, id, amount and currency.") from None


def sign(body: bytes, *, age: float = 0, secret: str = SECRET) -> dict[str, str]:
    """Return the headers that the provider sends with a body.

    Args:
        age: seconds since the notice was signed.
    """
    timestamp = str(int(time.time() - age))
    signature = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"X-Sandbox-Timestamp": timestamp, "X-Sandbox-Signature": signature}


def make_notice(number: str, amount: str, reference: str = "pay-1", **fields: Any) -> bytes:
    """Return the body of a notice about a successful payment."""
    event = {"type": "payment.succeeded", "order": number, "id": reference, "amount": amount}
    return json.dumps(event | {"currency": "RUB"} | fields).encode()
