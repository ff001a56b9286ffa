"""Tasks that send the mails of orders and update the popularity of products."""

from celery import shared_task
from django.conf import settings

from backend.notifications.email_templates import render_email
from backend.notifications.models import OutgoingEmail
from backend.notifications.services import EmailContent, send_email
from backend.orders.guests import derive_token
from backend.orders.models import Order
from backend.orders.services import count_popularity
from backend.orders.services.emails import describe_contents


@shared_task(name="orders.send_confirmation")
def send_confirmation(*, email_id: int) -> None:
    """Send the confirmation of an order."""
    send_email(email_id=email_id, render=lambda email: _render_email(email, "order-placed"))


@shared_task(name="orders.send_status")
def send_status(*, email_id: int) -> None:
    """Send the notification of a new order status."""
    send_email(
        email_id=email_id, render=lambda email: _render_email(email, f"order-{email.context['status']}")
    )


@shared_task(name="orders.send_guest_confirmation")
def send_guest_confirmation(*, email_id: int) -> None:
    """Send the confirmation of a guest's order."""
    send_email(email_id=email_id, render=lambda email: _render_email(email, "order-placed"))


@shared_task(name="orders.send_guest_status")
def send_guest_status(*, email_id: int) -> None:
    """Send the notification of a new status of a guest's order."""
    send_email(
        email_id=email_id, render=lambda email: _render_email(email, f"order-{email.context['status']}")
    )


@shared_task(name="orders.send_line_cancellation")
def send_line_cancellation(*, email_id: int) -> None:
    """Send the notification that staff have cancelled units of an order."""
    send_email(email_id=email_id, render=lambda email: _render_email(email, "order-lines-cancelled"))


@shared_task(name="orders.count_popularity")
def recount_popularity() -> None:
    """Update the popularity of all products, which the sort by popularity uses."""
    count_popularity()


def _render_email(email: OutgoingEmail, template: str) -> EmailContent | None:
    """Render a mail, or return None if the personal data of the customer has been deleted."""
    orders = Order.objects.filter(pk=email.context["order_id"]).select_related("user")
    order = orders.prefetch_related("lines").first()
    if order is None or not order.customer_email:
        return None
    access = {"token": derive_token(order), "storefront_url": settings.STOREFRONT_URL}
    # Confirmations that an earlier release has enqueued do not have the contents.
    contents = describe_contents(order, order.lines.all())
    return render_email(template, email.language, {**contents, **email.context, **access, "order": order})
