"""Orders, as staff see them and move them on. What was ordered is not to be changed by anybody."""

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
from backend.orders.models import NEXT_STATUSES, Order, OrderLine, OrderStatusChange
from backend.orders.services import change_order_status

NOTHING = "—"
MAX_MOVED_AT_ONCE = 100

MOVES = {
    Order.Status.PAID: "Mark as paid",
    Order.Status.SHIPPED: "Mark as shipped",
    Order.Status.DELIVERED: "Mark as delivered",
    Order.Status.CANCELLED: "Cancel",
}


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):
    list_display = ["number", "placed_at", "customer", "status", "cost"]
    list_filter = ["status", "placed_at"]
    list_per_page = 50
    # Others would sort every order that there is.
    sortable_by = ["placed_at"]
    search_fields = ["number"]
    search_help_text = "A number (with or without its letters), a customer's whole e-mail, or a whole SKU."
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
        return self.has_move_permission(request) or super().has_view_permission(request, obj)

    def has_move_permission(self, request: HttpRequest) -> bool:
        """Return whether somebody may move orders on, which is all that "change" means here."""
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
        """Find by what stands whole in an index; three conditions in one query would read every order."""
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
        move = self.admin_site.admin_view(require_POST(self.move))
        return [path("<path:object_id>/move/", move, name="orders_order_move"), *super().get_urls()]

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
        allowed = NEXT_STATUSES[Order.Status(obj.status)] if self.has_move_permission(request) else ()
        context["moves"] = [(status, MOVES[status]) for status in allowed]
        return super().render_change_form(request, context, add, change, form_url, obj)

    def move(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Give an order the status that the button says."""
        if not self.has_move_permission(request):
            raise PermissionDenied
        order_id = parse_id(object_id)
        try:
            order = self._move(request, order_id, request.POST.get("status", ""))
        except ShopError as error:
            self.message_user(request, error.message, messages.ERROR)
        else:
            told = " The customer is told by mail." if order.user_id else ""
            self.message_user(request, f"The order is {order.status} now.{told}", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:orders_order_change", args=[order_id]))

    @admin.action(description=MOVES[Order.Status.PAID], permissions=["move"])
    def mark_paid(self, request: HttpRequest, queryset: "QuerySet[Order]") -> None:
        self._move_all(request, queryset, Order.Status.PAID)

    @admin.action(description=MOVES[Order.Status.SHIPPED], permissions=["move"])
    def mark_shipped(self, request: HttpRequest, queryset: "QuerySet[Order]") -> None:
        self._move_all(request, queryset, Order.Status.SHIPPED)

    @admin.action(description=MOVES[Order.Status.DELIVERED], permissions=["move"])
    def mark_delivered(self, request: HttpRequest, queryset: "QuerySet[Order]") -> None:
        self._move_all(request, queryset, Order.Status.DELIVERED)

    @admin.action(description=MOVES[Order.Status.CANCELLED], permissions=["move"])
    def cancel(self, request: HttpRequest, queryset: "QuerySet[Order]") -> None:
        self._move_all(request, queryset, Order.Status.CANCELLED)

    @admin.display(description="Customer")
    def customer(self, order: Order) -> str:
        return order.user.email if order.user else "(account deleted)"

    @admin.display(description="Total")
    def cost(self, order: Order) -> str:
        return f"{order.total} {order.currency}"

    @admin.display(description="Contact")
    def recipient(self, order: Order) -> SafeString | str:
        contact = order.contact
        return _in_rows([contact.name, contact.phone]) if contact else NOTHING

    @admin.display(description="Address")
    def address(self, order: Order) -> SafeString | str:
        address = order.delivery_address
        if address is None:
            return NOTHING
        town = f"{address.postal_code} {address.city}, {address.country}"
        rows = [row for row in (address.line1, address.line2, town) if row]
        return _in_rows(rows)

    @admin.display(description="Comment")
    def comment(self, order: Order) -> SafeString | str:
        return _in_rows(order.comment.splitlines()) if order.comment else NOTHING

    def _move(self, request: HttpRequest, order_id: int, status: str) -> Order:
        assert isinstance(request.user, User)
        return change_order_status(order_id=order_id, status=status, changed_by=request.user.pk)

    def _move_all(self, request: HttpRequest, queryset: "QuerySet[Order]", status: Order.Status) -> None:
        """Move on the chosen orders that can be; each is a transaction of its own."""
        chosen = dict(queryset.order_by("pk").values_list("pk", "number")[: MAX_MOVED_AT_ONCE + 1])
        if len(chosen) > MAX_MOVED_AT_ONCE:
            self.message_user(request, f"Choose at most {MAX_MOVED_AT_ONCE} orders.", messages.ERROR)
            return
        moved = 0
        for order_id, number in chosen.items():
            try:
                self._move(request, order_id, status)
                moved += 1
            except ShopError as error:
                self.message_user(request, f"{number}: {error.message}", messages.ERROR)
        if moved:
            self.message_user(request, f"{moved} of the chosen orders {status} now.", messages.SUCCESS)


def _in_rows(texts: Iterable[str]) -> SafeString:
    return format_html_join(SafeString("<br>"), "{}", ((text,) for text in texts))
