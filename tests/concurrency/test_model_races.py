"""The model is replaced while others read it or replace it, too."""

import random
from contextlib import nullcontext
from unittest import mock

import pytest
from django.db import IntegrityError
from django.test import TransactionTestCase

from backend.core.redis import redis_client
from backend.recommendations import services
from backend.recommendations.models import ModelVersion
from backend.recommendations.selectors import read_related
from backend.recommendations.services import update_model
from tests.catalog.factories import make_product
from tests.concurrency.actors import PATIENCE, Actor
from tests.concurrency.crowds import run_together
from tests.recommendations.shop import Kind, make_order, others, replace_with


def unlocked() -> ModelVersion:
    """Return the version as it is now, without keeping others away."""
    return ModelVersion.objects.get()


without_lock = mock.patch.object(services, "_lock_version", unlocked)


class ModelRacesCase(TransactionTestCase):
    def setUp(self) -> None:
        redis_client().flushdb()
        self.addCleanup(redis_client().flushdb)
        self.products = [make_product() for _ in range(12)]
        self.write(self.products[1:11])

    def write(self, listed: list) -> int:
        subject = self.products[0]
        return replace_with([(Kind.SIMILAR.value, subject.pk, p.pk, 1 / n) for n, p in enumerate(listed, 1)])


class TwoWritersTest(ModelRacesCase):
    def write_twice(self) -> None:
        with Actor() as first, Actor() as second:
            first.do(self.write, self.products[1:5])
            writing = second.start(self.write, self.products[3:8])
            assert not writing.done()
            first.commit()
            writing.result(PATIENCE)
            second.commit()

    def test_the_second_replaces_the_first(self) -> None:
        self.write_twice()
        assert others(Kind.SIMILAR, self.products[0]) == [p.pk for p in self.products[3:8]]
        assert ModelVersion.objects.get().version == 3

    def test_without_the_lock_they_collide(self) -> None:
        with without_lock, pytest.raises(IntegrityError, match="duplicate key value"):
            self.write_twice()

    def test_an_update_leaves_a_model_that_is_being_written_alone(self) -> None:
        make_order(self.products[:2])
        with Actor() as first:
            first.do(self.write, self.products[1:5])
            assert update_model() == 0
        assert update_model() == 2


class ReadersTest(ModelRacesCase):
    def read_while_writing(self, writers: int) -> None:
        """Read lists, each of which one model must have given whole, while two models take turns."""
        models = [self.products[1:11], self.products[11:1:-1]]

        def write(rng: random.Random) -> None:
            self.write(rng.choice(models))

        def read(rng: random.Random) -> None:
            lists = read_related([Kind.SIMILAR], [self.products[0]], 10)
            assert lists[Kind.SIMILAR, self.products[0].pk] in models

        def read_table(rng: random.Random) -> None:
            assert others(Kind.SIMILAR, self.products[0]) in [[p.pk for p in model] for model in models]

        run_together([read, read_table, *[write] * writers], times=30, seed=6)

    def test_nobody_reads_half_a_model(self) -> None:
        self.read_while_writing(writers=2)

    def test_without_the_transaction_somebody_does(self) -> None:
        # Every statement is committed by itself.
        apart = mock.Mock(atomic=nullcontext, on_commit=lambda call, robust: call())
        with mock.patch.object(services, "transaction", apart), without_lock, pytest.raises(AssertionError):
            self.read_while_writing(writers=1)
