"""The mails of orders, and counting what sells."""

from celery import shared_task

from backend.notifications.letters import render_letter
from backend.notifications.models import OutgoingEmail
from backend.notifications.services import Letter, send_email
from backend.orders.models import Order
from backend.orders.services import count_popularity


@shared_task(name="orders.send_confirmation")
def send_confirmation(*, email_id: int) -> None:
    """Mail the customer what they have ordered."""
    send_email(email_id=email_id, write=lambda email: _letter(email, "order-placed"))


@shared_task(name="orders.send_status")
def send_status(*, email_id: int) -> None:
    """Mail the customer what has become of their order."""
    send_email(email_id=email_id, write=lambda email: _letter(email, f"order-{email.context['status']}"))


@shared_task(name="orders.count_popularity")
def recount() -> None:
    """Count anew what sells, for the popular sort."""
    count_popularity()


def _letter(email: OutgoingEmail, template: str) -> Letter | None:
    """Return the mail; None once there is nobody to tell, their account having been deleted."""
    orders = Order.objects.filter(pk=email.context["order_id"], user__isnull=False)
    order = orders.prefetch_related("lines").first()
    return render_letter(template, email.language, {"order": order}) if order is not None else None
