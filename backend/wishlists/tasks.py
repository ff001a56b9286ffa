"""Tasks that notify accounts of products that are back in stock."""

from dataclasses import replace

from celery import shared_task
from django.conf import settings

from backend.notifications.email_templates import render_email
from backend.notifications.models import OutgoingEmail
from backend.notifications.services import EmailContent, send_email
from backend.wishlists import services
from backend.wishlists.models import WishlistItem
from backend.wishlists.unsubscription import Subscriber, make_unsubscribe_url


@shared_task(name="wishlists.enqueue_back_in_stock")
def enqueue_back_in_stock() -> None:
    """Enqueue mails about products that are back in stock."""
    services.enqueue_back_in_stock_mails()


@shared_task(name="wishlists.send_back_in_stock")
def send_back_in_stock(*, email_id: int) -> None:
    """Send the mail that a product is back in stock."""
    send_email(email_id=email_id, render=_render_email)


def _render_email(email: OutgoingEmail) -> EmailContent | None:
    """Render a mail, or return None if the product is no longer on the wishlist of an account."""
    items = WishlistItem.objects.filter(pk=email.context["item_id"])
    item = items.values_list("user_id", "product__slug").first()
    if item is None:
        return None
    user_id, slug = item
    url = make_unsubscribe_url(Subscriber(user_id, email.language))
    context = {
        "name": email.context["name"],
        "price": email.context["price"],
        "currency": settings.SHOP_CURRENCY,
        "product_url": f"{settings.STOREFRONT_URL}/p/{slug}" if settings.STOREFRONT_URL else "",
        "unsubscribe_url": url,
    }
    # https://www.rfc-editor.org/rfc/rfc8058
    headers = {"List-Unsubscribe": f"<{url}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    return replace(render_email("back-in-stock", email.language, context), headers=headers)
