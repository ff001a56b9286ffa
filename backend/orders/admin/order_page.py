"""The admin page of an order: the order itself and the forms that change it."""

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from backend.accounts.models import User
from backend.core.decimals import parse_decimal
from backend.core.errors import Invalid, ShopError
from backend.core.identifiers import parse_id
from backend.notifications.models import OutgoingEmail
from backend.orders.admin.history import DELETED_ACCOUNT, describe_payment, list_history
from backend.orders.admin.statuses import STATUS_ACTIONS, render_status
from backend.orders.delivery import get_country_name
from backend.orders.models import (
    MAX_NOTE_LENGTH,
    MAX_TRACKING_NUMBER_LENGTH,
    MAX_TRACKING_URL_LENGTH,
    NEXT_STATUSES,
    STATUS_WORDS,
    Order,
    OrderLineCancellation,
    OrderNote,
    OrderStatusChange,
)
from backend.orders.services import (
    add_order_note,
    cancel_order_lines,
    change_order_status,
    change_tracking,
)

EMPTY_VALUE = "—"
# The form fields with quantities to cancel have this prefix before the id of the line.
QUANTITY_PREFIX = "cancel-"


class OrderPageAdmin(admin.ModelAdmin):
    """Show an order read-only, with forms that call the services, because only these change orders."""

    fieldsets = [
        (None, {"fields": ["placed_at", "customer", "formatted_total"]}),
        (_("Delivery"), {"fields": ["recipient", "address", "comment", "tracking"]}),
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Order | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Order | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Order | None = None) -> bool:
        return self.has_change_status_permission(request) or super().has_view_permission(request, obj)

    def has_change_status_permission(self, request: HttpRequest) -> bool:
        """Return whether the user can change orders as far as the services allow it, and export them."""
        return request.user.has_perm("orders.change_order")

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Order | None:
        orders = self.get_queryset(request).select_related("person")
        orders = orders.prefetch_related(
            "lines",
            "payments",
            Prefetch("history", OrderStatusChange.objects.select_related("changed_by")),
            Prefetch("notes", OrderNote.objects.select_related("author")),
            Prefetch("lines__cancellations", OrderLineCancellation.objects.select_related("cancelled_by")),
        )
        return orders.filter(pk=parse_id(object_id)).first()

    def get_fieldsets(self, request: HttpRequest, obj: Order | None = None) -> Any:
        general, delivery = super().get_fieldsets(request, obj)
        customer = get_customer_column(request)
        fields = [customer if field == "customer" else field for field in general[1]["fields"]]
        if self.admin_site.get_model_admin(OutgoingEmail).has_view_permission(request):
            fields.append("mails")
        return [(general[0], {"fields": fields}), delivery]

    def get_urls(self) -> list[URLPattern]:
        changes = {
            "status": self.change_status,
            "tracking": self.change_tracking,
            "cancel-lines": self.cancel_lines,
            "note": self.add_note,
        }
        return [
            *(
                path(
                    f"<path:object_id>/{name}/",
                    self.admin_site.admin_view(require_POST(view)),
                    name=f"orders_order_{name.replace('-', '_')}",
                )
                for name, view in changes.items()
            ),
            *super().get_urls(),
        ]

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Order | None = None,
    ) -> HttpResponse:
        assert obj is not None
        can_change = self.has_change_status_permission(request)
        allowed = NEXT_STATUSES[Order.Status(obj.status)] if can_change else ()
        # At most one status follows each status, apart from the cancellation.
        following = [status for status in allowed if status != Order.Status.CANCELLED]
        context |= {
            "status": render_status(obj.status),
            "next_step": [(status, STATUS_ACTIONS[status]) for status in following],
            "can_cancel": Order.Status.CANCELLED in allowed,
            "can_add_note": can_change,
            "can_cancel_lines": can_change and obj.is_cancellable,
            "can_change_tracking": can_change and obj.status == Order.Status.SHIPPED,
            "max_tracking_number_length": MAX_TRACKING_NUMBER_LENGTH,
            "max_tracking_url_length": MAX_TRACKING_URL_LENGTH,
            "max_note_length": MAX_NOTE_LENGTH,
            "history": list_history(obj),
            "payments": [(payment, describe_payment(obj, payment)) for payment in obj.payments.all()],
        }
        return super().render_change_form(request, context, add, change, form_url, obj)

    def change_status(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Change the status of an order to the one of the pressed button."""
        status = request.POST.get("status", "")
        # The form of the buttons always contains the tracking fields, which belong to the shipment.
        tracking = _read_tracking(request) if status == Order.Status.SHIPPED else {}

        def change(order_id: int) -> str:
            order = self.set_status(request, order_id, status, **tracking)
            changed = _("The order is now %(status)s.") % {"status": STATUS_WORDS[Order.Status(order.status)]}
            return f"{changed}{_describe_mail(order)}"

        return self._change(request, object_id, change)

    def change_tracking(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Change the tracking number of a shipped order."""

        def change(order_id: int) -> str:
            change_tracking(order_id=order_id, **_read_tracking(request))
            return str(_("The tracking number has been changed. The customer will not be notified."))

        return self._change(request, object_id, change)

    def cancel_lines(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Cancel the entered quantities of lines."""

        def change(order_id: int) -> str:
            order = cancel_order_lines(
                order_id=order_id,
                quantities=_read_quantities(request.POST),
                expected_total=_read_total(request.POST.get("total", "")),
                changed_by=_get_user_id(request),
            )
            changed = (
                _("The order is now cancelled, because no units remain.")
                if order.status == Order.Status.CANCELLED
                else _("The total of the order is now %(total)s.") % {"total": self.formatted_total(order)}
            )
            return f"{changed}{_describe_mail(order)}"

        return self._change(request, object_id, change)

    def add_note(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Add a note to an order."""

        def change(order_id: int) -> str:
            text = request.POST.get("text", "")
            add_order_note(order_id=order_id, text=text, author=_get_user_id(request))
            return str(_("The note has been added."))

        return self._change(request, object_id, change)

    def set_status(self, request: HttpRequest, order_id: int, status: str, **tracking: str) -> Order:
        """Change the status of an order in the name of the user."""
        return change_order_status(
            order_id=order_id, status=status, changed_by=_get_user_id(request), **tracking
        )

    @admin.display(description=_("Customer"))
    def customer(self, order: Order) -> str:
        if order.customer_email:
            return order.customer_email
        return str(_("(guest, erased)") if order.is_of_guest else DELETED_ACCOUNT)

    @admin.display(description=_("Customer"))
    def linked_customer(self, order: Order) -> SafeString | str:
        """Return the customer with a link to the account."""
        if order.user is None:
            return self.customer(order)
        url = reverse("admin:accounts_user_change", args=[order.user.pk])
        return format_html('<a href="{}">{}</a>', url, order.user.email)

    @admin.display(description=_("Mails"))
    def mails(self, order: Order) -> SafeString:
        url = reverse("admin:notifications_outgoingemail_changelist", query={"order": order.pk})
        return format_html('<a href="{}">{}</a>', url, _("Mails about this order"))

    @admin.display(description=_("Total"))
    def formatted_total(self, order: Order) -> str:
        return f"{order.total} {order.currency}"

    @admin.display(description=_("Contact"))
    def recipient(self, order: Order) -> SafeString | str:
        contact = order.contact
        if contact is None:
            return EMPTY_VALUE
        # The customer's own notation can have an extension or a remark.
        typed = contact.phone_as_typed if contact.phone_as_typed != contact.phone else ""
        return _join_lines(
            [
                contact.name,
                _("%(phone)s (entered as %(typed)s)") % {"phone": contact.phone, "typed": typed}
                if typed
                else contact.phone,
            ]
        )

    @admin.display(description=_("Address"))
    def address(self, order: Order) -> SafeString | str:
        address = order.delivery_address
        if address is None:
            return EMPTY_VALUE
        town = f"{address.postal_code} {address.city}".strip()
        lines = (address.line1, address.line2, town, get_country_name(address.country))
        return _join_lines(line for line in lines if line)

    @admin.display(description=_("Comment"))
    def comment(self, order: Order) -> SafeString | str:
        return _join_lines(order.comment.splitlines()) if order.comment else EMPTY_VALUE

    @admin.display(description=_("Tracking"))
    def tracking(self, order: Order) -> SafeString | str:
        return _join_lines(filter(None, [order.tracking_number, order.tracking_url])) or EMPTY_VALUE

    def _change(self, request: HttpRequest, object_id: str, change: Callable[[int], str]) -> HttpResponse:
        """Change an order, and show the returned message or the error on its page."""
        if not self.has_change_status_permission(request):
            raise PermissionDenied
        order_id = parse_id(object_id)
        try:
            message, level = change(order_id), messages.SUCCESS
        except ShopError as error:
            message, level = error.message, messages.ERROR
        self.message_user(request, message, level)
        return HttpResponseRedirect(reverse("admin:orders_order_change", args=[order_id]))


def get_customer_column(request: HttpRequest) -> str:
    """Return the name of the column of customers: with links for users who may view accounts."""
    can_view = admin.site.get_model_admin(User).has_view_permission(request)
    return "linked_customer" if can_view else "customer"


def _get_user_id(request: HttpRequest) -> int:
    assert isinstance(request.user, User)
    return request.user.pk


def _join_lines(lines: Iterable[str]) -> SafeString:
    return format_html_join(SafeString("<br>"), "{}", ((line,) for line in lines))


def _describe_mail(order: Order) -> str:
    return " " + _("The customer will be notified by mail.") if order.customer_email else ""


def _read_tracking(request: HttpRequest) -> dict[str, str]:
    return {name: request.POST.get(name, "") for name in ("tracking_number", "tracking_url")}


def _read_quantities(data: Mapping[str, str]) -> dict[int, int]:
    """Return the entered quantities by line id, from fields with names such as "cancel-17"."""
    quantities = {}
    for name, text in data.items():
        if name.startswith(QUANTITY_PREFIX) and text.strip() not in ("", "0"):
            if not re.fullmatch(r"\s*[0-9]{1,9}\s*", text, re.ASCII):
                raise Invalid(_("The quantity to cancel must be a whole number."), field="quantities")
            quantities[parse_id(name.removeprefix(QUANTITY_PREFIX))] = int(text)
    return quantities


def _read_total(text: str) -> Decimal:
    try:
        return parse_decimal(text)
    except ValueError:
        raise Invalid(
            _("The total of the order is missing. Reload the page."), field="expected_total"
        ) from None
