"""Enqueue mails about orders. Each has the content of the moment that caused it, also after a retry."""

from collections.abc import Iterable
from typing import Any

from backend.notifications.services import enqueue_email
from backend.orders.models import Order, OrderLine

# Mails to guests have tasks of their own: workers of a release without guests skip an order without account.
_GUEST_TASKS = {
    "orders.send_confirmation": "orders.send_guest_confirmation",
    "orders.send_status": "orders.send_guest_status",
}


def enqueue_customer_email(order: Order, task: str, **context: Any) -> None:
    """Enqueue a mail to the customer of an order, unless the personal data has been deleted."""
    if order.customer_email:
        enqueue_email(
            task=task if order.user else _GUEST_TASKS.get(task, task),
            recipient=order.customer_email,
            language=order.customer_language,
            context={"order_id": order.pk, **context},
        )


def describe_contents(order: Order, lines: Iterable[OrderLine]) -> dict[str, Any]:
    """Return the lines and totals of an order, without cancelled units, as variables of its confirmation."""
    return {
        "lines": [
            {"name": line.name, "quantity": line.remaining_quantity, "total": str(line.line_total)}
            for line in lines
            if line.remaining_quantity
        ],
        "subtotal": str(order.subtotal),
        "discount": str(order.discount),
        "total": str(order.total),
    }
