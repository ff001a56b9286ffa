"""Concurrent changes of one address book: the limit holds, and there is exactly one default."""

from unittest import mock
from uuid import uuid4

import pytest
from django.db import IntegrityError

from backend.accounts.models import User
from backend.accounts.services import delete_account
from backend.addresses import services
from backend.addresses.models import SavedAddress
from backend.addresses.services import create_address, delete_address, set_default_address
from backend.core.errors import TooLong
from backend.core.viewer import Viewer
from tests.concurrency.actors import MAX_SECONDS, Actor
from tests.concurrency.locks import without_row_locks
from tests.concurrency.shoppers import ShopCase
from tests.concurrency.test_cart_races import run_blocked
from tests.orders.factories import FULL_DELIVERY
from tests.support.people import make_viewer


class AddressRaceTest(ShopCase):
    def setUp(self) -> None:
        super().setUp()
        self.viewer = make_viewer(self.user)

    def create(self, label: str = "") -> SavedAddress:
        assert FULL_DELIVERY.contact is not None
        assert FULL_DELIVERY.address is not None
        return create_address(
            viewer=self.viewer, contact=FULL_DELIVERY.contact, address=FULL_DELIVERY.address, label=label
        )

    def defaults(self) -> list[str]:
        """Return the labels of the default addresses."""
        return list(SavedAddress.objects.filter(is_default=True).values_list("label", flat=True))

    def test_one_of_two_first_addresses_is_the_default(self) -> None:
        run_blocked(lambda: self.create("a"), lambda: self.create("b"))
        assert self.defaults() == ["a"]
        assert SavedAddress.objects.count() == 2

    def test_without_the_lock_the_second_first_address_fails(self) -> None:
        with without_row_locks(User), pytest.raises(IntegrityError, match="saved_address_one_default"):
            run_blocked(lambda: self.create("a"), lambda: self.create("b"))

    def test_second_of_two_addresses_exceeds_the_limit(self) -> None:
        self.create("a")
        with mock.patch.object(services, "MAX_ADDRESSES", 2), pytest.raises(TooLong):
            run_blocked(lambda: self.create("b"), lambda: self.create("c"))
        assert SavedAddress.objects.count() == 2

    def test_without_the_lock_both_exceed_the_limit(self) -> None:
        self.create("a")
        with (
            mock.patch.object(services, "MAX_ADDRESSES", 2),
            without_row_locks(User),
            Actor() as first,
            Actor() as second,
        ):
            first.do(self.create, "b")
            second.do(self.create, "c")
            first.commit()
            second.commit()
        assert SavedAddress.objects.count() == 3

    def delete_and_set_default(self) -> None:
        """Delete the default address while the only other one is created."""
        first = self.create("a")
        with Actor() as deleter, Actor() as creator:
            deleter.do(delete_address, viewer=self.viewer, address_id=first.pk)
            created = creator.start(self.create, "b")
            deleter.commit()
            created.result(MAX_SECONDS)
            creator.commit()

    def test_address_created_during_the_deletion_of_the_default_becomes_it(self) -> None:
        self.delete_and_set_default()
        assert self.defaults() == ["b"]

    def test_without_the_lock_there_is_no_default(self) -> None:
        with without_row_locks(User):
            self.delete_and_set_default()
        assert self.defaults() == []

    def test_two_changes_of_the_default_leave_the_last(self) -> None:
        self.create("a")
        b, c = self.create("b"), self.create("c")
        run_blocked(
            lambda: set_default_address(viewer=self.viewer, address_id=b.pk),
            lambda: set_default_address(viewer=self.viewer, address_id=c.pk),
        )
        assert self.defaults() == ["c"]

    def test_deletion_of_the_account_deletes_an_address_created_before(self) -> None:
        leaver_viewer = Viewer(user_id=self.user.pk, session_id=uuid4())
        with Actor() as creator, Actor() as leaver:
            creator.do(self.create)
            deletion = leaver.start(delete_account, viewer=leaver_viewer, password="correct horse")
            assert not deletion.done()
            creator.commit()
            deletion.result(MAX_SECONDS)
            leaver.commit()
        assert not SavedAddress.objects.exists()
