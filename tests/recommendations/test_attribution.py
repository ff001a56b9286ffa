"""Attribution of clicks and orders to lists of recommended products."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest import mock

import pytest
from django.db import DatabaseError, connection
from django.test import Client, TestCase
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backend.carts.models import CartLine, RecommendationList
from backend.config.celery import app
from backend.core import redis
from backend.core.redis import get_redis_client
from backend.orders.models import Order, OrderLine
from backend.orders.services import cancel_order_lines, change_order_status
from backend.recommendations.attribution import (
    CLICKS_KEY,
    Attribution,
    count_click,
    read_attribution,
    save_clicks,
)
from backend.recommendations.models import ClickCount
from backend.recommendations.tasks import save_counted_clicks
from tests.carts.factories import fill_cart, make_products, make_promo_code
from tests.core.test_redis import replace_with_silent_redis
from tests.support.clients import GraphQLClient, RestClient
from tests.support.people import make_user
from tests.support.shopping import GraphQLShopper, RestShopper, Shopper, make_shoppers

SIMILAR, TOGETHER, SUGGESTIONS, PERSONAL = RecommendationList
CLICK = "mutation($list: RecommendationList!) { recommendationClick(recommendedBy: $list) }"


def at(time: str) -> Any:
    """Replace the current time."""
    return mock.patch.object(timezone, "now", return_value=datetime.fromisoformat(time))


def add(
    shopper: Shopper, product_id: int, recommended_by: RecommendationList | None, quantity: int = 1
) -> None:
    """Add a product from a list to a cart through the API of the shopper."""
    value = recommended_by and (recommended_by.name if shopper.api == "GraphQL" else recommended_by.value)
    line = {"product_id": product_id, "quantity": quantity, "recommended_by": value}
    assert shopper.add_line(line).code is None


def send_click(api: str, recommended_by: RecommendationList, **headers: str) -> None:
    """Count a click through an API and check the response."""
    if api == "GraphQL":
        data = GraphQLClient(Client(headers=headers)).data(CLICK, {"list": recommended_by.name})
        assert data == {"recommendationClick": True}
    else:
        body = {"recommended_by": recommended_by.value}
        response = RestClient().post("/recommendations/click", body, **headers)
        assert (response.status_code, response.content) == (204, b"")
        assert not response.cookies


def read_of(recommended_by: RecommendationList, days: int = 1) -> Attribution:
    (found,) = [row for row in read_attribution(days) if row.recommended_by == recommended_by]
    return found


class CartLinesTest(TestCase):
    def read_lists(self, model: type[CartLine] | type[OrderLine] = CartLine) -> dict[int | None, str]:
        return dict(model.objects.values_list("product_id", "recommended_by"))

    def test_line_keeps_the_list_of_the_first_addition(self) -> None:
        a, b, c = make_products(3)
        for shopper in make_shoppers():
            with self.subTest(shopper.api):
                CartLine.objects.all().delete()
                add(shopper, a.pk, SIMILAR)
                add(shopper, a.pk, PERSONAL)
                add(shopper, a.pk, None)
                add(shopper, b.pk, None)
                add(shopper, b.pk, SIMILAR)
                assert shopper.add(c.pk).code is None
                assert shopper.set(a.pk, 7).code is None
                assert self.read_lists() == {a.pk: "similar", b.pk: "", c.pk: ""}
                assert shopper.remove(a.pk).code is None
                add(shopper, a.pk, SUGGESTIONS)
                assert self.read_lists()[a.pk] == "cart_suggestions"

    def test_first_of_the_same_product_in_a_request_counts(self) -> None:
        (product,) = make_products(1)
        lines = [{"product_id": product.pk, "recommended_by": name} for name in ("PERSONAL", "SIMILAR", None)]
        assert GraphQLShopper().add_lines(lines).data["total_quantity"] == 3
        assert self.read_lists() == {product.pk: "personal"}

    def test_merged_cart_keeps_the_lists_of_its_own_lines(self) -> None:
        a, b, c = make_products(3)
        for shopper_class in (GraphQLShopper, RestShopper):
            with self.subTest(shopper_class.api):
                CartLine.objects.all().delete()
                user = make_user()
                guest, own = shopper_class(), shopper_class(user)
                add(own, a.pk, SIMILAR)
                add(own, b.pk, None)
                for product in (a, b, c):
                    add(guest, product.pk, PERSONAL)
                merged = shopper_class(user, guest.cart_token).cart().data
                assert merged["total_quantity"] == 5
                assert self.read_lists() == {a.pk: "similar", b.pk: "", c.pk: "personal"}

    def test_order_line_has_the_list_of_the_cart_line(self) -> None:
        a, b = make_products(2)
        for shopper in make_shoppers(make_user()):
            with self.subTest(shopper.api):
                OrderLine.objects.all().delete()
                add(shopper, a.pk, TOGETHER)
                add(shopper, b.pk, None)
                assert shopper.order().code is None
                assert self.read_lists(OrderLine) == {a.pk: "bought_together", b.pk: ""}

    def test_lists_take_no_statement(self) -> None:
        a, b = make_products(2)
        counts = set()
        for recommended_by in (None, SIMILAR):
            for shopper in make_shoppers(make_user()):
                fill_cart(make_user(), {})
                shopper.add(a.pk)
                with CaptureQueriesContext(connection) as captured:
                    add(shopper, b.pk, recommended_by)
                counts.add((shopper.api, len(captured)))
        assert len(counts) == 2

    def test_unknown_list_is_refused(self) -> None:
        (product,) = make_products(1)
        for shopper in make_shoppers():
            for value in ("", "SEARCH", "complement", 1, True, [], {}):
                with self.subTest(value, api=shopper.api):
                    response = shopper.add_line({"product_id": product.pk, "recommended_by": value})
                    assert (response.code, response.field) == ("INVALID", "recommended_by")
        assert not CartLine.objects.exists()


class ClicksCase(TestCase):
    def setUp(self) -> None:
        get_redis_client().flushdb()
        self.addCleanup(get_redis_client().flushdb)
        # A silent server is skipped for some seconds.
        self.addCleanup(setattr, redis, "_skip_until", 0.0)


class ClicksTest(ClicksCase):
    def read_counts(self) -> list[tuple[Any, ...]]:
        rows = ClickCount.objects.order_by("day", "recommended_by")
        return [
            (str(day), name, clicks)
            for day, name, clicks in rows.values_list("day", "recommended_by", "clicks")
        ]

    def test_clicks_of_both_apis_are_counted_by_day_and_list(self) -> None:
        with at("2026-03-01 12:00+00:00"):
            send_click("GraphQL", SIMILAR)
            send_click("REST", SIMILAR)
            send_click("REST", PERSONAL)
        with at("2026-03-02 12:00+00:00"):
            send_click("GraphQL", SIMILAR)
        assert not ClickCount.objects.exists()
        assert save_clicks() == 4
        counts = [("2026-03-01", "personal", 1), ("2026-03-01", "similar", 2), ("2026-03-02", "similar", 1)]
        assert self.read_counts() == counts
        assert save_clicks() == 0
        assert self.read_counts() == counts

    def test_later_clicks_are_added(self) -> None:
        today = str(timezone.localdate())
        for total in (1, 2):
            count_click(SIMILAR)
            save_counted_clicks()
            assert self.read_counts() == [(today, "similar", total)]

    def test_day_is_that_of_the_time_zone_of_the_shop(self) -> None:
        with at("2026-03-01 20:59:59+00:00"), timezone.override("Europe/Moscow"):
            count_click(SIMILAR)
        with at("2026-03-01 21:00:00+00:00"), timezone.override("Europe/Moscow"):
            count_click(SIMILAR)
        save_clicks()
        assert self.read_counts() == [("2026-03-01", "similar", 1), ("2026-03-02", "similar", 1)]

    def test_click_takes_no_statement_and_stores_no_viewer(self) -> None:
        user = make_user()
        headers = GraphQLShopper(user, "x" * 43).headers
        with self.assertNumQueries(0):
            for api in ("GraphQL", "REST"):
                send_click(api, SIMILAR, **headers)
        stored = get_redis_client().hgetall(CLICKS_KEY)
        assert stored == {f"{timezone.localdate()} similar".encode(): b"2"}
        for key in get_redis_client().scan_iter():
            assert str(user.pk).encode() not in key.split(b":")
        assert {field.name for field in ClickCount._meta.get_fields()} == {
            "pk",
            "day",
            "recommended_by",
            "clicks",
        }

    def test_unknown_list_is_refused_with_the_same_code(self) -> None:
        for value in (None, "", "SEARCH", "complement", 1, [], {}):
            with self.subTest(value):
                errors = GraphQLClient().post(CLICK, {"list": value}).json()["errors"]
                response = RestClient().post("/recommendations/click", {"recommended_by": value})
                assert response.status_code == 422
                assert response.json()["code"] == errors[0]["extensions"]["code"] == "INVALID"
        assert save_clicks() == 0

    def test_click_is_not_counted_while_redis_does_not_respond(self) -> None:
        with replace_with_silent_redis():
            for api in ("GraphQL", "REST"):
                send_click(api, SIMILAR)
        assert save_clicks() == 0

    def test_clicks_stay_in_redis_if_the_database_fails_or_the_process_ends(self) -> None:
        for error in (DatabaseError, SystemExit):
            count_click(SIMILAR)
            with (
                self.subTest(error),
                mock.patch("backend.recommendations.attribution._add_clicks", side_effect=error),
                pytest.raises(error),
            ):
                save_clicks()
        count_click(SIMILAR)
        assert save_clicks() == 3

    def test_clicks_are_limited_like_other_requests(self) -> None:
        with self.settings(RATE_LIMIT_PER_ADDRESS=2):
            client = Client(REMOTE_ADDR="203.0.113.77")
            statuses = [
                client.post(
                    "/recommendations/click", {"recommended_by": "similar"}, content_type="application/json"
                ).status_code
                for _ in range(3)
            ]
        assert statuses == [204, 204, 429]
        assert save_clicks() == 2

    def test_beat_schedules_the_task(self) -> None:
        assert "recommendations.save_clicks" in {entry["task"] for entry in app.conf.beat_schedule.values()}
        assert "recommendations.save_clicks" in app.tasks


class AttributionTest(ClicksCase):
    def order(self, shopper: Shopper, *lines: tuple[Any, RecommendationList | None, int]) -> Order:
        for product, recommended_by, quantity in lines:
            add(shopper, product.pk, recommended_by, quantity)
        return Order.objects.get(number=shopper.order().data["number"])

    def test_every_list_is_returned_without_clicks_and_orders(self) -> None:
        assert read_attribution(30) == [Attribution(kind) for kind in RecommendationList]

    def test_clicks_orders_units_and_revenue_are_summed(self) -> None:
        a, b = make_products(2, price="10.00")
        shopper = RestShopper(make_user())
        self.order(shopper, (a, SIMILAR, 2), (b, SIMILAR, 1))
        self.order(shopper, (a, SIMILAR, 1), (b, None, 5))
        self.order(shopper, (a, PERSONAL, 4))
        for kind in (SIMILAR, SIMILAR, TOGETHER):
            count_click(kind)
        save_clicks()
        assert read_attribution(1) == [
            Attribution(SIMILAR, clicks=2, orders=2, units=4, revenue=Decimal("40.00")),
            Attribution(TOGETHER, clicks=1),
            Attribution(SUGGESTIONS),
            Attribution(PERSONAL, orders=1, units=4, revenue=Decimal("40.00")),
        ]

    def test_revenue_is_what_the_customer_pays(self) -> None:
        (product,) = make_products(1, price="10.00")
        make_promo_code("TEN", percent=10)
        shopper = RestShopper(make_user())
        add(shopper, product.pk, SIMILAR, 2)
        assert shopper.apply_code("TEN").code is None
        assert shopper.order().data["total"] == "18.00"
        assert read_of(SIMILAR).revenue == Decimal("18.00")

    def test_cancelled_units_and_orders_are_excluded(self) -> None:
        a, b = make_products(2, price="10.00")
        user = make_user()
        shopper = RestShopper(user)
        order = self.order(shopper, (a, SIMILAR, 3), (b, PERSONAL, 1))
        lines = {line.product_id: line.pk for line in order.lines.all()}
        cancel_order_lines(
            order_id=order.pk,
            quantities={lines[a.pk]: 1, lines[b.pk]: 1},
            expected_total=order.total,
            changed_by=user.pk,
        )
        assert read_of(SIMILAR) == Attribution(SIMILAR, orders=1, units=2, revenue=Decimal("20.00"))
        assert read_of(PERSONAL) == Attribution(PERSONAL)
        change_order_status(order_id=order.pk, status=Order.Status.CANCELLED, changed_by=user.pk)
        assert read_of(SIMILAR) == Attribution(SIMILAR)

    def test_only_the_days_are_counted(self) -> None:
        (product,) = make_products(1, price="10.00")
        order = self.order(RestShopper(make_user()), (product, SIMILAR, 1))
        midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
        ClickCount.objects.create(day=midnight - timedelta(days=2), recommended_by=SIMILAR, clicks=5)
        for placed_at, days in (
            (midnight, 1),
            (midnight - timedelta(microseconds=1), 2),
            (midnight - timedelta(days=1), 2),
            (midnight - timedelta(days=1, microseconds=1), 3),
        ):
            with self.subTest(placed_at):
                Order.objects.filter(pk=order.pk).update(placed_at=placed_at)
                assert read_of(SIMILAR, days).orders == 1
                assert read_of(SIMILAR, days - 1).orders == 0
        assert [read_of(SIMILAR, days).clicks for days in (2, 3)] == [0, 5]

    def test_attribution_takes_one_statement_that_uses_indexes(self) -> None:
        (product,) = make_products(1)
        self.order(RestShopper(make_user()), (product, SIMILAR, 1))
        with CaptureQueriesContext(connection) as captured:
            read_attribution(30)
        (query,) = captured
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN {query['sql']}")
            plan = "\n".join(row[0] for row in cursor.fetchall())
        assert "Seq Scan" not in plan
        assert "order_line_recommended" in plan
        assert "recommendations_clickcount_pkey" in plan
