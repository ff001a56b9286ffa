"""Deletion of expired carts."""

from datetime import timedelta

from django.test import TestCase
from django.utils import timezone

from backend.carts import services
from backend.carts.models import Cart, CartLine
from backend.carts.tasks import delete_expired_carts
from backend.config.celery import app
from tests.carts.factories import fill_cart, make_products
from tests.support.people import make_user
from tests.support.shopping import make_shoppers

A_MINUTE = timedelta(minutes=1)


def make_guest_cart(number: int, unchanged_for: timedelta) -> Cart:
    return Cart.objects.create(token_digest=f"{number:064}", touched_at=timezone.now() - unchanged_for)


def make_account_cart(unchanged_for: timedelta) -> Cart:
    return Cart.objects.create(user=make_user(), touched_at=timezone.now() - unchanged_for)


class ExpiryTest(TestCase):
    def test_carts_are_deleted_after_their_lifetime_and_not_before(self) -> None:
        kept = [
            make_account_cart(timedelta(days=90) - A_MINUTE),
            make_guest_cart(1, timedelta(days=30) - A_MINUTE),
        ]
        make_account_cart(timedelta(days=90) + A_MINUTE)
        make_guest_cart(2, timedelta(days=30) + A_MINUTE)
        assert services.delete_expired_carts() == 2
        assert set(Cart.objects.all()) == set(kept)
        assert services.delete_expired_carts() == 0

    def test_only_the_lines_of_expired_carts_are_deleted(self) -> None:
        first, second = make_products(2)
        old = fill_cart(make_user(), {first: 1, second: 2})
        kept = fill_cart(make_user(), {first: 3})
        Cart.objects.filter(pk=old.pk).update(touched_at=timezone.now() - timedelta(days=91))
        delete_expired_carts()
        assert list(CartLine.objects.values_list("cart_id", "quantity")) == [(kept.pk, 3)]

    def test_every_change_extends_the_lifetime(self) -> None:
        (product,) = make_products(1)
        for user in (make_user(), None):
            for shopper in make_shoppers(user):
                for action, arguments in {
                    "add": (product.pk,),
                    "set": (product.pk, 2),
                    "remove": (product.pk,),
                    "clear": (),
                }.items():
                    with self.subTest(action, api=shopper.api, guest=user is None):
                        shopper.add(product.pk)
                        Cart.objects.update(touched_at=timezone.now() - timedelta(days=89))
                        assert getattr(shopper, action)(*arguments).code is None
                        assert Cart.objects.filter(touched_at__gt=timezone.now() - A_MINUTE).exists()

    def test_beat_schedules_the_task(self) -> None:
        planned = {entry["task"] for entry in app.conf.beat_schedule.values()}
        assert {"carts.delete_expired_carts", "orders.count_popularity"} <= planned
        assert "carts.delete_expired_carts" in app.tasks
