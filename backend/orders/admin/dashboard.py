"""The dashboard, which is the first page of the admin: figures that the user may view.

The page is a list of panels. Each one is a template in `admin/dashboard/` with its data, and is left out for
users without the permission to view the model that it is about.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import floatformat
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from backend.catalog.empty_searches import REPORTED_DAYS, list_empty_searches
from backend.catalog.models import Product
from backend.catalog.selectors import StockedProduct, list_best_sellers, list_low_stock
from backend.notifications.models import OutgoingEmail
from backend.notifications.selectors import count_failed_emails_up_to
from backend.orders.models import Order
from backend.orders.sales import (
    MAX_COUNT,
    DailySales,
    OrderQueue,
    get_start_of_day,
    read_daily_sales,
    read_order_queue,
)
from backend.orders.sales import REPORTED_DAYS as SALES_DAYS
from backend.recommendations.attribution import read_attribution

ROWS = 8
CHART_WIDTH, CHART_HEIGHT = 300, 100


class Panel(NamedTuple):
    """A part of the page: a template and its variable `data`."""

    template: str
    data: Any


class Figure(NamedTuple):
    """A number at the top of the page. It is highlighted if it needs attention."""

    label: Any
    value: str
    url: str = ""
    needs_attention: bool = False


class Bar(NamedTuple):
    """A day in the bar chart, in the coordinates of the SVG element."""

    sales: DailySales
    x: Decimal
    y: Decimal
    width: Decimal
    height: Decimal


@dataclass(frozen=True, slots=True)
class SalesChart:
    """The bar chart of the revenue by day."""

    bars: Sequence[Bar]
    maximum: Decimal
    currency: str
    width: int = CHART_WIDTH
    height: int = CHART_HEIGHT


def show_dashboard(request: HttpRequest) -> HttpResponse:
    """Show the dashboard."""
    figures, panels = [], []
    if _can_view(request, Order):
        sales = read_daily_sales()
        to_ship = read_order_queue(Order.Status.PAID, ROWS)
        unpaid = read_order_queue(Order.Status.PLACED, ROWS)
        figures += [*_make_sales_figures(sales), *_make_queue_figures(to_ship, unpaid)]
        panels += [
            Panel("revenue", _make_chart(sales)),
            Panel("orders", {"title": _("To ship"), "status": Order.Status.PAID, "queue": to_ship}),
            Panel(
                "orders", {"title": _("Waiting for payment"), "status": Order.Status.PLACED, "queue": unpaid}
            ),
        ]
        if _can_view(request, Product):
            panels.append(Panel("best_sellers", _add_shares(list_best_sellers(ROWS))))
        panels.append(
            Panel(
                "recommendations",
                {
                    "days": SALES_DAYS,
                    "lists": read_attribution(SALES_DAYS),
                    "currency": settings.SHOP_CURRENCY,
                },
            )
        )
    if _can_view(request, Product):
        panels.append(Panel("low_stock", list_low_stock(ROWS)))
        searches = list_empty_searches(ROWS)
        panels.append(Panel("empty_searches", {"searches": searches, "days": REPORTED_DAYS}))
    if _can_view(request, OutgoingEmail):
        figures.append(_make_mail_figure())
    return admin.site.index(request, {"figures": figures, "panels": panels})


def _can_view(request: HttpRequest, model: type[Model]) -> bool:
    return admin.site.get_model_admin(model).has_view_permission(request)


def _make_sales_figures(sales: Sequence[DailySales]) -> list[Figure]:
    revenue = sum((day.revenue for day in sales), Decimal(0))
    count = sum(day.order_count for day in sales)
    start = get_start_of_day(sales[0].day).isoformat()
    orders = reverse("admin:orders_order_changelist", query={"placed_at__gte": start})
    days = {"days": SALES_DAYS}
    return [
        Figure(_("Revenue in %(days)s days") % days, _format_money(revenue)),
        Figure(_("Orders in %(days)s days") % days, floatformat(count, "0g"), orders),
        Figure(_("Average order"), _format_money(revenue / count) if count else "—"),
    ]


def _make_queue_figures(to_ship: OrderQueue, unpaid: OrderQueue) -> list[Figure]:
    return [
        Figure(
            _("To ship"), _format_count(to_ship.count), _get_list_url(Order.Status.PAID), to_ship.count > 0
        ),
        Figure(_("Waiting for payment"), _format_count(unpaid.count), _get_list_url(Order.Status.PLACED)),
    ]


def _make_mail_figure() -> Figure:
    count = count_failed_emails_up_to(MAX_COUNT + 1)
    failed = {"status__exact": OutgoingEmail.Status.FAILED}
    url = reverse("admin:notifications_outgoingemail_changelist", query=failed)
    return Figure(_("Failed mails"), _format_count(count), url, count > 0)


def _make_chart(sales: Sequence[DailySales]) -> SalesChart:
    maximum = max(day.revenue for day in sales)
    step = Decimal(CHART_WIDTH) / len(sales)
    bars = []
    for number, day in enumerate(sales):
        height = round(day.revenue * CHART_HEIGHT / maximum, 2) if maximum else Decimal(0)
        bars.append(Bar(day, number * step, CHART_HEIGHT - height, step - 2, height))
    return SalesChart(bars, maximum, settings.SHOP_CURRENCY)


def _add_shares(products: Sequence[StockedProduct]) -> list[tuple[StockedProduct, int]]:
    """Return each product with its sales in percent of those of the first one."""
    return [(product, 100 * product.units_sold // products[0].units_sold) for product in products]


def _get_list_url(status: Order.Status) -> str:
    return reverse("admin:orders_order_changelist", query={"status__exact": status, "o": "2"})


def _format_count(count: int) -> str:
    return floatformat(count, "0g") if count <= MAX_COUNT else f"> {floatformat(MAX_COUNT, '0g')}"


def _format_money(amount: Decimal) -> str:
    return f"{floatformat(amount, '0g')} {settings.SHOP_CURRENCY}"
