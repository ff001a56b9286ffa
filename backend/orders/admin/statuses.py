"""The statuses of orders in the admin: their colours and the buttons that set them."""

from django.utils.html import format_html
from django.utils.safestring import SafeString

from backend.orders.models import Order

# The buttons and actions that set a status.
STATUS_ACTIONS = {
    Order.Status.PAID: "Mark as paid",
    Order.Status.SHIPPED: "Mark as shipped",
    Order.Status.DELIVERED: "Mark as delivered",
    Order.Status.CANCELLED: "Cancel",
}
# Names of CSS classes.
_TONES = {
    Order.Status.PLACED: "status-amber",
    Order.Status.PAID: "status-blue",
    Order.Status.SHIPPED: "status-violet",
    Order.Status.DELIVERED: "status-green",
    Order.Status.CANCELLED: "status-grey",
}


def get_status_tone(status: str) -> str:
    """Return the CSS class with the colours of a status."""
    return _TONES[Order.Status(status)]


def render_status(status: str) -> SafeString:
    """Return a coloured label of a status."""
    name = Order.Status(status)
    return format_html('<span class="status {}">{}</span>', _TONES[name], name.label)
