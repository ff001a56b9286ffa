"""Clicks on recommended products while tasks move their counts to the database."""

import random
from typing import Any
from unittest import mock

from django.db.models import Sum
from django.test import TransactionTestCase

from backend.carts.models import RecommendationList
from backend.core.redis import get_redis_client
from backend.recommendations import attribution
from backend.recommendations.attribution import CLICKS_KEY, count_click, save_clicks
from backend.recommendations.models import ClickCount
from tests.concurrency.actors import MAX_SECONDS, Actor
from tests.concurrency.crowds import run_together

CLICKS = 200
SIMILAR, PERSONAL = RecommendationList.SIMILAR, RecommendationList.PERSONAL


def take_in_two_steps(redis: Any) -> dict[str, int]:
    """Read the counts and remove them later, so that clicks can come in between."""
    counts = redis.hgetall(CLICKS_KEY)
    count_click(SIMILAR)
    redis.delete(CLICKS_KEY)
    return {name.decode(): int(clicks) for name, clicks in counts.items()}


class SaveClicksTest(TransactionTestCase):
    def setUp(self) -> None:
        get_redis_client().flushdb()
        self.addCleanup(get_redis_client().flushdb)

    def count_saved(self) -> int:
        save_clicks()
        return ClickCount.objects.aggregate(total=Sum("clicks"))["total"] or 0

    def test_no_click_is_lost_or_counted_twice(self) -> None:
        def click(rng: random.Random) -> None:
            count_click(rng.choice([SIMILAR, PERSONAL]))

        run_together([click, click, lambda _: save_clicks(), lambda _: save_clicks()], times=CLICKS, seed=16)
        assert self.count_saved() == 2 * CLICKS

    def test_click_between_two_separate_steps_is_lost(self) -> None:
        count_click(SIMILAR)
        with mock.patch.object(attribution, "_take_clicks", take_in_two_steps):
            save_clicks()
        assert self.count_saved() == 1

    def save_in_two_transactions(self, add: Any) -> int:
        """Add a click in each of two transactions, the second of which begins before the first commits."""
        name = "2026-03-01 similar"
        with Actor() as first, Actor() as second:
            second.do(lambda: list(ClickCount.objects.all()))
            first.do(add, {name: 1})
            adding = second.start(add, {name: 1})
            assert not adding.done()
            first.commit()
            adding.result(MAX_SECONDS)
            second.commit()
        return ClickCount.objects.get().clicks

    def test_concurrent_tasks_add_to_the_same_row(self) -> None:
        assert self.save_in_two_transactions(attribution._add_clicks) == 2

    def test_replacing_the_count_would_lose_clicks(self) -> None:
        def replace(counts: dict[str, int]) -> None:
            before = {f"{row.day} {row.recommended_by}": row.clicks for row in ClickCount.objects.all()}
            ClickCount.objects.bulk_create(
                [
                    ClickCount(
                        day=name.split()[0],
                        recommended_by=name.split()[1],
                        clicks=before.get(name, 0) + clicks,
                    )
                    for name, clicks in counts.items()
                ],
                update_conflicts=True,
                unique_fields=["day", "recommended_by"],
                update_fields=["clicks"],
            )

        assert self.save_in_two_transactions(replace) == 1
