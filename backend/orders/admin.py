"""Order admin: staff can search and view orders and change their status, and nothing else."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from backend.accounts.models import User
from backend.core.admin import BoundedPaginator
from backend.core.errors import ShopError
from backend.core.identifiers import parse_id
from backend.orders.delivery import get_country_name
from backend.orders.models import NEXT_STATUSES, Order, OrderLine, OrderStatusChange
from backend.orders.services import change_order_status

EMPTY_VALUE = "—"
MAX_ORDERS_PER_ACTION = 100

STATUS_ACTIONS = {
    Order.Status.PAID: "Mark as paid",
    Order.Status.SHIPPED: "Mark as shipped",
    Order.Status.DELIVERED: "Mark as delivered",
    Order.Status.CANCELLED: "Cancel",
}


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):
    list_display = ["number", "placed_at", "customer", "status", "formatted_total"]
    list_filter = ["status", "placed_at"]
    list_per_page = 50
    # Other columns have no index and would sort all orders.
    sortable_by = ["placed_at"]
    search_fields = ["number"]
    search_help_text = "Order number (with or without its suffix), complete e-mail address, or complete SKU."
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = BoundedPaginator
    actions = ["mark_paid", "mark_shipped", "mark_delivered", "cancel"]
    fieldsets = [
        (None, {"fields": ["status", "placed_at", "customer"]}),
        ("Delivery", {"fields": ["recipient", "address", "comment"]}),
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
        """Return whether the user can change the status of orders, which is all that staff can change."""
        return request.user.has_perm("orders.change_order")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Order]":
        return super().get_queryset(request).select_related("user")

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Order | None:
        history = OrderStatusChange.objects.select_related("changed_by")
        orders = self.get_queryset(request).select_related("person")
        orders = orders.prefetch_related("lines", Prefetch("history", history))
        return orders.filter(pk=parse_id(object_id)).first()

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Order]", search_term: str
    ) -> tuple["QuerySet[Order]", bool]:
        """Search by number, e-mail address or SKU, each with its own index.

        A union, because a disjunction of the three conditions would read all orders.
        """
        term = search_term.strip()
        if not term:
            return queryset, False
        by_number = Order.objects.filter(Q(number=term) | Q(number__startswith=f"{term}-"))
        by_email = Order.objects.filter(user__in=User.objects.filter(email=term))
        by_sku = OrderLine.objects.filter(sku__iexact=term)
        found = (
            by_number.order_by()
            .values("pk")
            .union(by_email.order_by().values("pk"), by_sku.order_by().values("order_id"))
        )
        return queryset.filter(pk__in=found), False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.change_status))
        url = path("<path:object_id>/status/", view, name="orders_order_change_status")
        return [url, *super().get_urls()]

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
        allowed = (
            NEXT_STATUSES[Order.Status(obj.status)] if self.has_change_status_permission(request) else ()
        )
        context["status_actions"] = [(status, STATUS_ACTIONS[status]) for status in allowed]
        return super().render_change_form(request, context, add, change, form_url, obj)

    def change_status(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Change the status of an order to the one of the pressed button."""
        if not self.has_change_status_permission(request):
            raise PermissionDenied
        order_id = parse_id(object_id)
        try:
            order = self._change_status(request, order_id, request.POST.get("status", ""))
        except ShopError as error:
            self.message_user(request, error.message, messages.ERROR)
        else:
            notice = " The customer will be notified by mail." if order.user_id else ""
            self.message_user(request, f"The order is now {order.status}.{notice}", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:orders_order_change", args=[order_id]))

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

    @admin.display(description="Customer")
    def customer(self, order: Order) -> str:
        return order.user.email if order.user else "(account deleted)"

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

    def _change_status(self, request: HttpRequest, order_id: int, status: str) -> Order:
        assert isinstance(request.user, User)
        return change_order_status(order_id=order_id, status=status, changed_by=request.user.pk)

    def _change_status_of_all(
        self, request: HttpRequest, queryset: "QuerySet[Order]", status: Order.Status
    ) -> None:
        """Change the status of the selected orders that allow it, each in its own transaction."""
        selected = dict(queryset.order_by("pk").values_list("pk", "number")[: MAX_ORDERS_PER_ACTION + 1])
        if len(selected) > MAX_ORDERS_PER_ACTION:
            self.message_user(request, f"Select at most {MAX_ORDERS_PER_ACTION} orders.", messages.ERROR)
            return
        changed = 0
        for order_id, number in selected.items():
            try:
                self._change_status(request, order_id, status)
                changed += 1
            except ShopError as error:
                self.message_user(request, f"{number}: {error.message}", messages.ERROR)
        if changed:
            message = f"{changed} of the selected orders changed to {status}."
            self.message_user(request, message, messages.SUCCESS)


def _join_lines(lines: Iterable[str]) -> SafeString:
    return format_html_join(SafeString("<br>"), "{}", ((line,) for line in lines))
