"""Concurrent readers and writers of the recommendations."""

import random
from contextlib import nullcontext
from unittest import mock

import pytest
from django.db import IntegrityError
from django.test import TransactionTestCase

from backend.core.redis import get_redis_client
from backend.recommendations import services
from backend.recommendations.models import ModelVersion
from backend.recommendations.selectors import read_related
from backend.recommendations.services import update_model
from tests.catalog.factories import make_product
from tests.concurrency.actors import MAX_SECONDS, Actor
from tests.concurrency.crowds import run_together
from tests.recommendations.factories import Kind, make_order, read_recommended, replace_recommendations


def read_without_lock() -> ModelVersion:
    """Return the version without locking out other writers."""
    return ModelVersion.objects.get()


without_lock = mock.patch.object(services, "_lock_version", read_without_lock)


class ModelRacesCase(TransactionTestCase):
    def setUp(self) -> None:
        get_redis_client().flushdb()
        self.addCleanup(get_redis_client().flushdb)
        self.products = [make_product() for _ in range(12)]
        self.write(self.products[1:11])

    def write(self, listed: list) -> int:
        subject = self.products[0]
        return replace_recommendations(
            [(Kind.SIMILAR.value, subject.pk, p.pk, 1 / n) for n, p in enumerate(listed, 1)]
        )


class TwoWritersTest(ModelRacesCase):
    def write_twice(self) -> None:
        with Actor() as first, Actor() as second:
            first.do(self.write, self.products[1:5])
            writing = second.start(self.write, self.products[3:8])
            assert not writing.done()
            first.commit()
            writing.result(MAX_SECONDS)
            second.commit()

    def test_second_writer_waits_and_replaces_the_rows_of_the_first(self) -> None:
        self.write_twice()
        assert read_recommended(Kind.SIMILAR, self.products[0]) == [p.pk for p in self.products[3:8]]
        assert ModelVersion.objects.get().version == 3

    def test_without_the_lock_both_writers_insert_the_same_row(self) -> None:
        with without_lock, pytest.raises(IntegrityError, match="duplicate key value"):
            self.write_twice()

    def test_update_skips_while_another_writer_is_at_work(self) -> None:
        make_order(self.products[:2])
        with Actor() as first:
            first.do(self.write, self.products[1:5])
            assert update_model() == 0
        assert update_model() == 2


class ReadersTest(ModelRacesCase):
    def read_while_writing(self, writers: int) -> None:
        """Read lists while writers alternate between two models. Each list must be of one model."""
        models = [self.products[1:11], self.products[11:1:-1]]
        ids_of_models = [[product.pk for product in model] for model in models]

        def write(rng: random.Random) -> None:
            self.write(rng.choice(models))

        def read(rng: random.Random) -> None:
            lists = read_related([Kind.SIMILAR], [self.products[0]], 10)
            ids = [product.pk for product in lists[Kind.SIMILAR, self.products[0].pk]]
            assert ids in ids_of_models

        def read_table(rng: random.Random) -> None:
            assert read_recommended(Kind.SIMILAR, self.products[0]) in ids_of_models

        run_together([read, read_table, *[write] * writers], times=30, seed=6)

    def test_readers_see_whole_models(self) -> None:
        self.read_while_writing(writers=2)

    def test_without_the_transaction_readers_see_parts_of_models(self) -> None:
        # Each statement is committed on its own.
        autocommit = mock.Mock(atomic=nullcontext, on_commit=lambda call, robust: call())
        without_transaction = mock.patch.object(services, "transaction", autocommit)
        with without_transaction, without_lock, pytest.raises(AssertionError):
            self.read_while_writing(writers=1)
