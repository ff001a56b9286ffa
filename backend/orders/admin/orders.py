"""Order admin: staff search, view and export orders, and change what the services allow."""

import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, QuerySet
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from backend.accounts.models import User
from backend.core.admin import BoundedPaginator
from backend.core.decimals import parse_decimal
from backend.core.errors import Invalid, ShopError
from backend.core.identifiers import parse_id
from backend.orders import export
from backend.orders.admin.history import DELETED_ACCOUNT, describe_payment, list_history
from backend.orders.delivery import get_country_name
from backend.orders.guests import erase_guest_data
from backend.orders.models import (
    MAX_NOTE_LENGTH,
    MAX_TRACKING_NUMBER_LENGTH,
    MAX_TRACKING_URL_LENGTH,
    NEXT_STATUSES,
    Order,
    OrderLineCancellation,
    OrderNote,
    OrderStatusChange,
    Payment,
)
from backend.orders.selectors import select_matching_ids
from backend.orders.services import (
    add_order_note,
    cancel_order_lines,
    change_order_status,
    change_tracking,
)

EMPTY_VALUE = "—"
# Of the names of the fields with quantities to cancel; the id of the line follows.
QUANTITY_PREFIX = "cancel-"
MAX_ORDERS_PER_ACTION = 100

STATUS_ACTIONS = {
    Order.Status.PAID: "Mark as paid",
    Order.Status.SHIPPED: "Mark as shipped",
    Order.Status.DELIVERED: "Mark as delivered",
    Order.Status.CANCELLED: "Cancel",
}


class UnacceptedPaymentsFilter(admin.SimpleListFilter):
    """Find orders with a payment that was not accepted."""

    title = "payments"
    parameter_name = "payments"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("unaccepted", "Not accepted")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Order]") -> "QuerySet[Order]":
        if self.value() != "unaccepted":
            return queryset
        unaccepted = Payment.objects.exclude(status=Payment.Status.ACCEPTED)
        return queryset.filter(pk__in=unaccepted.values("order_id"))


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):
    list_display = ["number", "placed_at", "customer", "status", "formatted_total"]
    list_filter = ["status", "placed_at", UnacceptedPaymentsFilter]
    list_per_page = 50
    # Other columns have no index and would sort all orders.
    sortable_by = ["placed_at"]
    search_fields = ["number"]
    search_help_text = (
        "Order number (with or without its suffix), complete e-mail address, part of the customer's name, "
        "complete phone number, or complete SKU."
    )
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = BoundedPaginator
    actions = [
        "mark_paid",
        "mark_shipped",
        "mark_delivered",
        "cancel",
        "export_csv",
        "export_xlsx",
        "erase_guests",
    ]
    fieldsets = [
        (None, {"fields": ["status", "placed_at", "customer"]}),
        ("Delivery", {"fields": ["recipient", "address", "comment", "tracking"]}),
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

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Order]":
        return super().get_queryset(request).select_related("user")

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

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Order]", search_term: str
    ) -> tuple["QuerySet[Order]", bool]:
        term = search_term.strip()
        return (queryset.filter(pk__in=select_matching_ids(term)) if term else queryset), False

    def get_urls(self) -> list[URLPattern]:
        changes = {
            "status": self.change_status,
            "tracking": self.change_tracking,
            "cancel-lines": self.cancel_lines,
            "note": self.add_note,
        }
        return [
            path(
                "export/<str:format>/",
                self.admin_site.admin_view(self.export_list),
                name="orders_order_export",
            ),
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

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        formats = export.FORMATS if self.has_change_status_permission(request) else ()
        extra = {"export_formats": formats, "export_query": request.GET.urlencode()}
        return super().changelist_view(request, extra | (extra_context or {}))

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
        context |= {
            "status_actions": [(status, STATUS_ACTIONS[status]) for status in allowed],
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
        # The tracking fields are beside the button of the shipment, in the form of all buttons.
        tracking = _read_tracking(request) if status == Order.Status.SHIPPED else {}

        def change(order_id: int) -> str:
            order = self._change_status(request, order_id, status, **tracking)
            return f"The order is now {order.status}.{_describe_mail(order)}"

        return self._change(request, object_id, change)

    def change_tracking(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Change the tracking number of a shipped order."""

        def change(order_id: int) -> str:
            change_tracking(order_id=order_id, **_read_tracking(request))
            return "The tracking number has been changed. The customer will not be notified."

        return self._change(request, object_id, change)

    def cancel_lines(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Cancel the entered quantities of lines."""

        def change(order_id: int) -> str:
            order = cancel_order_lines(
                order_id=order_id,
                quantities=_read_quantities(request.POST),
                expected_total=_read_total(request.POST.get("total", "")),
                changed_by=self._get_user_id(request),
            )
            changed = (
                "The order is now cancelled, because no units remain."
                if order.status == Order.Status.CANCELLED
                else f"The total of the order is now {self.formatted_total(order)}."
            )
            return f"{changed}{_describe_mail(order)}"

        return self._change(request, object_id, change)

    def add_note(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Add a note to an order."""

        def change(order_id: int) -> str:
            text = request.POST.get("text", "")
            add_order_note(order_id=order_id, text=text, author=self._get_user_id(request))
            return "The note has been added."

        return self._change(request, object_id, change)

    def export_list(self, request: HttpRequest, format: str) -> HttpResponseBase:
        """Download the orders that the list shows with the filters and the search of the URL."""
        if not self.has_change_status_permission(request):
            raise PermissionDenied
        if format not in export.FORMATS:
            raise Http404
        try:
            orders = self.get_changelist_instance(request).get_queryset(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(reverse("admin:orders_order_changelist"))
        return self._export(request, orders, format)

    @admin.action(description="Export selected orders as CSV", permissions=["change_status"])
    def export_csv(self, request: HttpRequest, queryset: "QuerySet[Order]") -> HttpResponseBase:
        return self._export(request, queryset, "csv")

    @admin.action(description="Export selected orders as XLSX", permissions=["change_status"])
    def export_xlsx(self, request: HttpRequest, queryset: "QuerySet[Order]") -> HttpResponseBase:
        return self._export(request, queryset, "xlsx")

    @admin.action(description=STATUS_ACTIONS[Order.Status.PAID], permissions=["change_status"])
    def mark_paid(self, request: HttpRequest, queryset: "QuerySet[Order]") -> None:
        self._change_status_of_all(request, queryset, Order.Status.PAID)

    @admin.action(description=STATUS_ACTIONS[Order.Status.SHIPPED], permissions=["change_status"])
    def mark_shipped(self, request: HttpRequest, queryset: "QuerySet[Order]") -> None:
        self._change_status_of_all(request, queryset, Order.Status.SHIPPED)

    @admin.action(description=STATUS_ACTIONS[Order.Status.DELIVERED], permissions=["change_status"])
    def mark_delivered(self, request: HttpRequest, queryset: "QuerySet[Order]") -> None:
        self._change_status_of_all(request, queryset, Order.Status.DELIVERED)

    @admin.action(description=STATUS_ACTIONS[Order.Status.CANCELLED], permissions=["change_status"])
    def cancel(self, request: HttpRequest, queryset: "QuerySet[Order]") -> None:
        self._change_status_of_all(request, queryset, Order.Status.CANCELLED)

    @admin.action(description="Erase the personal data of guests", permissions=["change_status"])
    def erase_guests(self, request: HttpRequest, queryset: "QuerySet[Order]") -> None:
        """Erase the address, contact and comment of the selected orders of guests, which cannot be undone."""
        self._change_all(
            request,
            queryset,
            lambda pk: erase_guest_data(order_id=pk),
            "had personal data, which is now erased",
        )

    @admin.display(description="Customer")
    def customer(self, order: Order) -> str:
        if order.customer_email:
            return order.customer_email
        # Only guests' orders have a language.
        return "(guest, erased)" if order.language and order.user is None else DELETED_ACCOUNT

    @admin.display(description="Total")
    def formatted_total(self, order: Order) -> str:
        return f"{order.total} {order.currency}"

    @admin.display(description="Contact")
    def recipient(self, order: Order) -> SafeString | str:
        contact = order.contact
        if contact is None:
            return EMPTY_VALUE
        # The customer's own notation can have an extension or a remark.
        typed = contact.phone_as_typed if contact.phone_as_typed != contact.phone else ""
        return _join_lines(
            [contact.name, f"{contact.phone} (entered as {typed})" if typed else contact.phone]
        )

    @admin.display(description="Address")
    def address(self, order: Order) -> SafeString | str:
        address = order.delivery_address
        if address is None:
            return EMPTY_VALUE
        town = f"{address.postal_code} {address.city}".strip()
        lines = (address.line1, address.line2, town, get_country_name(address.country))
        return _join_lines(line for line in lines if line)

    @admin.display(description="Comment")
    def comment(self, order: Order) -> SafeString | str:
        return _join_lines(order.comment.splitlines()) if order.comment else EMPTY_VALUE

    @admin.display(description="Tracking")
    def tracking(self, order: Order) -> SafeString | str:
        return _join_lines(filter(None, [order.tracking_number, order.tracking_url])) or EMPTY_VALUE

    def _get_user_id(self, request: HttpRequest) -> int:
        assert isinstance(request.user, User)
        return request.user.pk

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

    def _change_status(self, request: HttpRequest, order_id: int, status: str, **tracking: str) -> Order:
        return change_order_status(
            order_id=order_id, status=status, changed_by=self._get_user_id(request), **tracking
        )

    def _export(self, request: HttpRequest, orders: "QuerySet[Order]", format: str) -> HttpResponseBase:
        try:
            export.require_exportable(orders)
        except export.TooManyRows as error:
            self.message_user(request, error.message, messages.ERROR)
            return HttpResponseRedirect(reverse("admin:orders_order_changelist"))
        rows = export.iterate_rows(orders)
        response: HttpResponseBase
        if format == "csv":
            response = StreamingHttpResponse(export.write_csv(rows))
        else:
            # The response closes the file, which deletes it.
            file = tempfile.TemporaryFile()  # noqa: SIM115
            export.write_xlsx(rows, file)
            file.seek(0)
            response = FileResponse(file)
        response["Content-Type"] = export.CONTENT_TYPES[format]
        response["Content-Disposition"] = f'attachment; filename="orders.{format}"'
        return response

    def _change_status_of_all(
        self, request: HttpRequest, queryset: "QuerySet[Order]", status: Order.Status
    ) -> None:
        self._change_all(
            request, queryset, lambda pk: self._change_status(request, pk, status), f"changed to {status}"
        )

    def _change_all(
        self,
        request: HttpRequest,
        queryset: "QuerySet[Order]",
        change: Callable[[int], object],
        result: str,
    ) -> None:
        """Change the selected orders that allow it, each in its own transaction.

        Args:
            result: the end of the message to the user.
        """
        selected = dict(queryset.order_by("pk").values_list("pk", "number")[: MAX_ORDERS_PER_ACTION + 1])
        if len(selected) > MAX_ORDERS_PER_ACTION:
            self.message_user(request, f"Select at most {MAX_ORDERS_PER_ACTION} orders.", messages.ERROR)
            return
        changed = 0
        for order_id, number in selected.items():
            try:
                change(order_id)
                changed += 1
            except ShopError as error:
                self.message_user(request, f"{number}: {error.message}", messages.ERROR)
        if changed:
            message = f"{changed} of the selected orders {result}."
            self.message_user(request, message, messages.SUCCESS)


def _join_lines(lines: Iterable[str]) -> SafeString:
    return format_html_join(SafeString("<br>"), "{}", ((line,) for line in lines))


def _describe_mail(order: Order) -> str:
    return " The customer will be notified by mail." if order.customer_email else ""


def _read_tracking(request: HttpRequest) -> dict[str, str]:
    return {name: request.POST.get(name, "") for name in ("tracking_number", "tracking_url")}


def _read_quantities(data: Mapping[str, str]) -> dict[int, int]:
    """Return the entered quantities by line id, from fields with names such as "cancel-17"."""
    quantities = {}
    for name, text in data.items():
        if name.startswith(QUANTITY_PREFIX) and text.strip() not in ("", "0"):
            if not re.fullmatch(r"\s*[0-9]{1,9}\s*", text, re.ASCII):
                raise Invalid("The quantity to cancel must be a whole number.", field="quantities")
            quantities[parse_id(name.removeprefix(QUANTITY_PREFIX))] = int(text)
    return quantities


def _read_total(text: str) -> Decimal:
    try:
        return parse_decimal(text)
    except ValueError:
        raise Invalid("The total of the order is missing. Reload the page.", field="expected_total") from None
