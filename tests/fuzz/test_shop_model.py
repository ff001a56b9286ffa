"""A shop under random actions has the products, carts and orders of its model."""

import time
from unittest import mock

import pytest
from django.db import IntegrityError
from django.test import TransactionTestCase
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from backend.orders.services import creation, line_cancellation, statuses
from tests.fuzz import get_fuzz_seconds
from tests.fuzz.shop_machine import ShopMachine

SECONDS = 45
# Sequences per call of Hypothesis, which knows no duration.
BATCH = 10
SETTINGS = settings(
    max_examples=BATCH,
    stateful_step_count=60,
    deadline=None,
    database=None,
    report_multiple_bugs=False,
    # Each step of a reduction takes as long as a sequence. The steps of a failure are printed as they were.
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
# Enough to find any of the injected errors, with the same sequences in every run.
UNTIL_FOUND = settings(SETTINGS, max_examples=200, derandomize=True)


class ShopModelTest(TransactionTestCase):
    def test_shop_is_always_that_of_the_model(self) -> None:
        start, sequences = time.monotonic(), 0
        while not sequences or time.monotonic() - start < get_fuzz_seconds(SECONDS):
            run_state_machine_as_test(ShopMachine, settings=SETTINGS)
            sequences += BATCH
        print(f"{sequences} sequences of up to {SETTINGS.stateful_step_count} actions without a difference")


class InjectedErrorTest(TransactionTestCase):
    """The machine finds each of these errors."""

    def assert_found(self) -> None:
        with pytest.raises((AssertionError, IntegrityError)) as found:
            run_state_machine_as_test(ShopMachine, settings=UNTIL_FOUND)
        assert "state = ShopMachine()" in "".join(found.value.__notes__)

    def test_stock_that_is_not_taken_is_found(self) -> None:
        with mock.patch.object(creation, "take_stock"):
            self.assert_found()

    def test_ignored_idempotency_key_is_found(self) -> None:
        with mock.patch.object(creation, "_find_order_by_key", return_value=None):
            self.assert_found()

    def test_promo_code_use_that_is_not_recorded_is_found(self) -> None:
        with mock.patch.object(creation, "take_promo_code_use"):
            self.assert_found()

    def test_promo_code_use_that_is_not_returned_is_found(self) -> None:
        with mock.patch.object(statuses, "return_promo_code_use"):
            self.assert_found()

    def test_cancelled_units_that_do_not_return_to_stock_are_found(self) -> None:
        with mock.patch.object(line_cancellation, "return_stock"):
            self.assert_found()
