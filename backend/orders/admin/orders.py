"""The admin list of orders: search, filters, totals, export and actions on several orders."""

import calendar
import tempfile
from collections.abc import Callable
from datetime import date
from itertools import takewhile
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from backend.core.admin import BoundedPaginator
from backend.core.errors import ShopError
from backend.orders import export
from backend.orders.admin.order_page import OrderPageAdmin, get_customer_column
from backend.orders.admin.statuses import STATUS_ACTIONS, render_status
from backend.orders.guests import erase_guest_data
from backend.orders.models import STATUS_WORDS, Order, Payment
from backend.orders.sales import read_first_and_last_day, sum_orders
from backend.orders.selectors import select_matching_ids

MAX_ORDERS_PER_ACTION = 100
DATE_PARAMETERS = ("placed_at__year", "placed_at__month", "placed_at__day")
# The name of the form field that the confirmation page sends.
CONFIRMED = "confirmed"


class UnacceptedPaymentsFilter(admin.SimpleListFilter):
    """Find orders with a payment that was not accepted."""

    title = _("payments")
    parameter_name = "payments"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("unaccepted", str(_("Not accepted")))]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Order]") -> "QuerySet[Order]":
        if self.value() != "unaccepted":
            return queryset
        unaccepted = Payment.objects.exclude(status=Payment.Status.ACCEPTED)
        return queryset.filter(pk__in=unaccepted.values("order_id"))


class DateLink(NamedTuple):
    """A link of the date hierarchy."""

    text: str
    url: str


@admin.register(Order)
class OrderAdmin(OrderPageAdmin):
    list_display = ["number", "placed_at", "customer", "colored_status", "formatted_total"]
    list_filter = ["status", "placed_at", UnacceptedPaymentsFilter]
    date_hierarchy = "placed_at"
    list_per_page = 50
    # Other columns have no index and would sort all orders.
    sortable_by = ["placed_at"]
    search_fields = ["number"]
    search_help_text = _(
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

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Order]":
        return super().get_queryset(request).select_related("user")

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        customer = get_customer_column(request)
        return [customer if name == "customer" else name for name in self.list_display]

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Order]", search_term: str
    ) -> tuple["QuerySet[Order]", bool]:
        term = search_term.strip()
        return (queryset.filter(pk__in=select_matching_ids(term)) if term else queryset), False

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        try:
            return super().get_changelist_instance(request)
        except (ValueError, OverflowError) as error:
            # Django accepts any year of the date hierarchy, and fails to add a year to the last one.
            raise IncorrectLookupParameters from error

    def get_urls(self) -> list[URLPattern]:
        export_view = self.admin_site.admin_view(self.export_list)
        return [
            path("export/<str:format>/", export_view, name="orders_order_export"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        formats = export.FORMATS if self.has_change_status_permission(request) else ()
        extra = {"export_formats": formats, "export_query": request.GET.urlencode()}
        response = super().changelist_view(request, extra | (extra_context or {}))
        if isinstance(response, TemplateResponse) and response.context_data and "cl" in response.context_data:
            changes = response.context_data["cl"]
            response.context_data |= {
                "totals": sum_orders(changes.queryset, BoundedPaginator.max_count),
                "currency": settings.SHOP_CURRENCY,
                "dates": _list_dates(changes),
            }
        return response

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

    @admin.display(description=_("Status"))
    def colored_status(self, order: Order) -> SafeString:
        return render_status(order.status)

    @admin.action(description=_("Export selected orders as CSV"), permissions=["change_status"])
    def export_csv(self, request: HttpRequest, queryset: "QuerySet[Order]") -> HttpResponseBase:
        return self._export(request, queryset, "csv")

    @admin.action(description=_("Export selected orders as XLSX"), permissions=["change_status"])
    def export_xlsx(self, request: HttpRequest, queryset: "QuerySet[Order]") -> HttpResponseBase:
        return self._export(request, queryset, "xlsx")

    @admin.action(description=STATUS_ACTIONS[Order.Status.PAID], permissions=["change_status"])
    def mark_paid(self, request: HttpRequest, queryset: "QuerySet[Order]") -> None:
        self._set_status_of_all(request, queryset, Order.Status.PAID)

    @admin.action(description=STATUS_ACTIONS[Order.Status.SHIPPED], permissions=["change_status"])
    def mark_shipped(self, request: HttpRequest, queryset: "QuerySet[Order]") -> None:
        self._set_status_of_all(request, queryset, Order.Status.SHIPPED)

    @admin.action(description=STATUS_ACTIONS[Order.Status.DELIVERED], permissions=["change_status"])
    def mark_delivered(self, request: HttpRequest, queryset: "QuerySet[Order]") -> None:
        self._set_status_of_all(request, queryset, Order.Status.DELIVERED)

    @admin.action(description=STATUS_ACTIONS[Order.Status.CANCELLED], permissions=["change_status"])
    def cancel(self, request: HttpRequest, queryset: "QuerySet[Order]") -> HttpResponse | None:
        if CONFIRMED not in request.POST:
            return self._confirm(
                request,
                queryset,
                _("Cancel orders"),
                _("The products return to stock, and the customers are notified by mail."),
            )
        self._set_status_of_all(request, queryset, Order.Status.CANCELLED)
        return None

    @admin.action(description=_("Erase the personal data of guests"), permissions=["change_status"])
    def erase_guests(self, request: HttpRequest, queryset: "QuerySet[Order]") -> HttpResponse | None:
        """Erase the address, contact and comment of the selected orders of guests, after a confirmation."""
        if CONFIRMED not in request.POST:
            return self._confirm(
                request,
                queryset,
                _("Erase the personal data of guests"),
                _(
                    "The e-mail address, the contact, the delivery address, the comment and the mails of "
                    "these orders are deleted. Guests lose access to their orders. Orders of accounts do not "
                    "change."
                ),
            )
        self._change_all(
            request,
            queryset,
            lambda pk: erase_guest_data(order_id=pk),
            ngettext_lazy(
                "%(count)s of the selected orders had personal data, which is now erased.",
                "%(count)s of the selected orders had personal data, which is now erased.",
                "count",
            ),
            {},
        )
        return None

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

    def _set_status_of_all(
        self, request: HttpRequest, queryset: "QuerySet[Order]", status: Order.Status
    ) -> None:
        self._change_all(
            request,
            queryset,
            lambda pk: self.set_status(request, pk, status),
            ngettext_lazy(
                "%(count)s of the selected orders changed to %(status)s.",
                "%(count)s of the selected orders changed to %(status)s.",
                "count",
            ),
            {"status": STATUS_WORDS[status]},
        )

    def _change_all(
        self,
        request: HttpRequest,
        queryset: "QuerySet[Order]",
        change: Callable[[int], object],
        message: Any,
        params: dict[str, object],
    ) -> None:
        """Change the selected orders that allow it, each in its own transaction.

        Args:
            message: for the user, with the placeholders `count` and those of `params`.
        """
        changed = 0
        for order_id, number in self._read_selected(request, queryset).items():
            try:
                change(order_id)
                changed += 1
            except ShopError as error:
                self.message_user(request, f"{number}: {error.message}", messages.ERROR)
        if changed:
            self.message_user(request, message % {"count": changed, **params}, messages.SUCCESS)

    def _confirm(
        self, request: HttpRequest, queryset: "QuerySet[Order]", title: Any, consequences: Any
    ) -> HttpResponse | None:
        """Return a page that asks for confirmation of an action, or None if too many orders are selected."""
        selected = self._read_selected(request, queryset)
        if not selected:
            return None
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "consequences": consequences,
            "selected": selected,
            "action": request.POST["action"],
            "checkbox_name": ACTION_CHECKBOX_NAME,
            "confirmed_name": CONFIRMED,
        }
        return TemplateResponse(request, "admin/orders/order/confirmation.html", context)

    def _read_selected(self, request: HttpRequest, queryset: "QuerySet[Order]") -> dict[int, str]:
        """Return the numbers of the selected orders by id, or a message and nothing if there are too many."""
        selected = dict(queryset.order_by("pk").values_list("pk", "number")[: MAX_ORDERS_PER_ACTION + 1])
        if len(selected) > MAX_ORDERS_PER_ACTION:
            self.message_user(
                request,
                _("Select at most %(maximum)s orders.") % {"maximum": MAX_ORDERS_PER_ACTION},
                messages.ERROR,
            )
            return {}
        return selected


def _list_dates(changes: ChangeList) -> list[DateLink]:
    """Return the links of the date hierarchy: back, and the years, months or days to choose from.

    Django's own reads all orders of the list to leave out dates without orders.
    """
    names = takewhile(lambda name: name in changes.params, DATE_PARAMETERS)
    parts = [int(changes.params[name]) for name in names]

    def make_link(text: str, *numbers: int) -> DateLink:
        query = dict(zip(DATE_PARAMETERS, numbers, strict=False))
        return DateLink(text, changes.get_query_string(query, ["placed_at__"]))

    def link_months(year: int) -> list[DateLink]:
        return [make_link(date_format(date(year, month, 1), "F"), year, month) for month in range(1, 13)]

    match parts:
        case []:
            first, last = read_first_and_last_day()
            if first.year == last.year:
                return link_months(first.year)
            return [make_link(str(year), year) for year in range(first.year, last.year + 1)]
        case [year]:
            return [make_link("‹ " + _("All dates")), *link_months(year)]
        case [year, month]:
            last_day = calendar.monthrange(year, month)[1]
            days = [make_link(str(day), year, month, day) for day in range(1, last_day + 1)]
            return [make_link(f"‹ {year}", year), *days]
    year, month = parts[:2]
    return [make_link(f"‹ {date_format(date(year, month, 1), 'F Y')}", year, month)]
