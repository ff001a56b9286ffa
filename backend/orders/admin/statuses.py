"""The statuses of orders in the admin: their colours and the buttons that set them."""

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from backend.orders.models import Order

# The buttons and actions that set a status.
STATUS_ACTIONS = {
    Order.Status.PAID: _("Mark as paid"),
    Order.Status.SHIPPED: _("Mark as shipped"),
    Order.Status.DELIVERED: _("Mark as delivered"),
    Order.Status.CANCELLED: _("Cancel"),
}
_CSS_CLASSES = {
    Order.Status.PLACED: "status-amber",
    Order.Status.PAID: "status-blue",
    Order.Status.SHIPPED: "status-violet",
    Order.Status.DELIVERED: "status-green",
    Order.Status.CANCELLED: "status-grey",
}


def get_status_class(status: str) -> str:
    """Return the CSS class with the colours of a status."""
    return _CSS_CLASSES[Order.Status(status)]


def render_status(status: str) -> SafeString:
    """Return a coloured label of a status."""
    name = Order.Status(status)
    return format_html('<span class="status {}">{}</span>', _CSS_CLASSES[name], name.label)
