"""Building the recommendations from orders and products, and updating them."""

from datetime import timedelta
from io import StringIO
from unittest import mock

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import TestCase
from django.utils import timezone

from backend.core.redis import get_redis_client
from backend.orders.models import Order
from backend.recommendations import services
from backend.recommendations.models import ModelVersion, Recommendation
from backend.recommendations.services import build_model, update_model
from backend.recommendations.tasks import build, update
from backend.recommendations.training_data import get_newest_order_day, read_purchases
from tests.catalog.factories import make_category, make_product
from tests.recommendations.factories import Kind, make_history, make_order, read_recommended


class RecommendationsCase(TestCase):
    def setUp(self) -> None:
        get_redis_client().flushdb()
        self.addCleanup(get_redis_client().flushdb)


class BuildTest(RecommendationsCase):
    def test_products_of_one_order_are_recommended_with_each_other(self) -> None:
        products = make_history(3)
        report = build_model()
        for first, second in zip(products[::2], products[1::2], strict=True):
            assert read_recommended(Kind.BOUGHT_TOGETHER, first) == [second.pk]
            assert read_recommended(Kind.COMPLEMENT, second) == [first.pk]
        assert (report.version, report.orders, report.products) == (1, 9, 6)
        assert report.rows["together"] == report.rows["complement"] == 6
        assert ModelVersion.objects.get().last_order_id == Order.objects.latest("id").pk

    def test_similar_products_need_no_orders(self) -> None:
        mugs, lamps = make_category("Mugs"), make_category("Lamps")
        red = make_product("Red mug", mugs)
        blue = make_product("Blue mug", mugs)
        make_product("Desk lamp", lamps)
        hidden = make_product("Green mug", mugs, is_published=False)
        build_model()
        assert read_recommended(Kind.SIMILAR, red)[0] == blue.pk
        assert hidden.pk not in read_recommended(Kind.SIMILAR, red)
        assert not read_recommended(Kind.SIMILAR, hidden)

    def test_empty_shop_has_no_recommendations(self) -> None:
        report = build_model()
        assert (report.version, report.orders, report.rows) == (1, 0, {})

    def test_cancelled_and_old_orders_are_ignored(self) -> None:
        a, b, c, d = [make_product() for _ in range(4)]
        for days, other, status in [
            (0, b, Order.Status.PLACED),
            (3 * 365, c, Order.Status.DELIVERED),
            (3 * 365 + 1, d, Order.Status.DELIVERED),
            (1, d, Order.Status.CANCELLED),
        ]:
            make_order([a, other], status=status, placed_at=timezone.now() - timedelta(days=days))
        today = get_newest_order_day()
        assert today == timezone.localdate()
        read = {(item, name) for _, item, name, *_ in read_purchases(today)}
        assert read == {(str(product.pk), product.name) for product in (a, b, c)}

    def test_deleted_products_are_not_recommended(self) -> None:
        a, b, *_ = make_history(2)
        b.delete()
        build_model()
        assert not read_recommended(Kind.BOUGHT_TOGETHER, a)

    def test_build_replaces_all_recommendations(self) -> None:
        make_history(2)
        build_model()
        Order.objects.all().delete()
        assert build_model().version == 2
        assert not Recommendation.objects.exclude(kind=Kind.SIMILAR).exists()

    def test_command_prints_a_report(self) -> None:
        make_history(2)
        out = StringIO()
        call_command("build_recommendations", stdout=out)
        assert "built from 6 orders and 4 products" in out.getvalue()
        assert "together" in out.getvalue() and "version 1" in out.getvalue()

    def test_progress_is_reported(self) -> None:
        make_history(2)
        reported: list[tuple[str, int]] = []
        build_model(on_progress=lambda step, count: reported.append((step, count)))
        assert ("reading orders", 12) in reported
        assert reported[-1] == ("writing", Recommendation.objects.count())


class UpdateTest(RecommendationsCase):
    def setUp(self) -> None:
        super().setUp()
        self.products = make_history(3)
        build_model()

    def test_update_without_new_orders_takes_one_query(self) -> None:
        with self.assertNumQueries(1):
            assert update_model() == 0
        assert ModelVersion.objects.get().version == 1

    def test_update_builds_a_missing_model(self) -> None:
        ModelVersion.objects.all().delete()
        assert update_model() is None
        assert ModelVersion.objects.get().version == 1
        Order.objects.all().delete()
        ModelVersion.objects.all().delete()
        assert update_model() is None
        assert update_model() == 0

    def test_update_changes_only_the_products_of_new_orders(self) -> None:
        a, b, c, d, *_ = self.products
        Recommendation.objects.filter(subject_id=b.pk).update(score=0.123)
        order = make_order([a, c])
        assert update_model() == 2
        assert read_recommended(Kind.BOUGHT_TOGETHER, a) == [b.pk, c.pk]
        assert read_recommended(Kind.BOUGHT_TOGETHER, c) == [d.pk, a.pk]
        assert set(Recommendation.objects.filter(subject_id=b.pk).values_list("score", flat=True)) == {0.123}
        state = ModelVersion.objects.get()
        assert (state.version, state.last_order_id) == (2, order.pk)

    def test_update_gives_the_scores_of_a_build(self) -> None:
        make_order(self.products[:3])
        update_model()
        rows = Recommendation.objects.filter(kind=Kind.BOUGHT_TOGETHER)
        renewed = rows.filter(subject_id__in=[product.pk for product in self.products[:3]])
        updated = {(row.subject_id, row.other_id): row.score for row in renewed}
        build_model()
        for (subject, other), score in updated.items():
            assert rows.get(subject_id=subject, other_id=other).score == pytest.approx(score, abs=5e-6)

    def test_update_skips_cancelled_orders(self) -> None:
        order = make_order(self.products[:3], status=Order.Status.CANCELLED)
        assert update_model() == 0
        assert ModelVersion.objects.get().last_order_id == order.pk
        with self.assertNumQueries(1):
            update_model()

    def test_update_is_bounded_and_the_next_one_continues(self) -> None:
        for pair in zip(self.products[::2], self.products[1::2], strict=True):
            make_order(pair)
        with mock.patch.object(services, "MAX_UPDATED_PRODUCTS", 2):
            assert [update_model() for _ in range(4)] == [2, 2, 2, 0]

    def test_update_rebuilds_after_many_new_orders(self) -> None:
        make_order(self.products[:2])
        with mock.patch.object(services, "MAX_NEW_ORDERS", 1):
            assert update_model() == 2
            for _ in range(2):
                make_order(self.products[:2])
            assert update_model() is None

    def test_tasks_build_and_update(self) -> None:
        build.apply(throw=True)
        make_order(self.products[:2])
        update.apply(throw=True)
        assert ModelVersion.objects.get().version == 3


class EvaluateTest(RecommendationsCase):
    def test_evaluation_without_a_log_uses_the_orders_of_the_shop(self) -> None:
        with self.assertRaisesMessage(CommandError, "There are no orders"):
            call_command("evaluate_recommendations")
        products = [make_product() for _ in range(4)]
        for days in (0, 3, 40, 41, 42, 43, 44):
            make_order(products, placed_at=timezone.now() - timedelta(days=days))
        out = StringIO()
        call_command("evaluate_recommendations", stdout=out)
        assert "learnt from 5 baskets of 4 items, tested on 2" in out.getvalue()


class ScheduleTest(TestCase):
    def test_tasks_are_scheduled_and_end_before_redis_redelivers_them(self) -> None:
        scheduled = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
        assert {"recommendations.build", "recommendations.update"} <= scheduled
        for task in (build, update):
            assert 0 < task.time_limit < 3600
