"""Retries of transactions that PostgreSQL cancels to end a deadlock."""

import io
from collections.abc import Callable
from threading import Barrier
from typing import Any
from unittest import mock

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from django.test import TransactionTestCase

from backend.accounts.models import User
from backend.carts.models import Cart
from backend.catalog.locks import lock_imports, lock_product_rows, lock_tree
from backend.catalog.models import Category, Product
from backend.catalog.services import create_category, move_category
from backend.core.db import MAX_ATTEMPTS, run_atomic
from backend.core.errors import Conflict
from backend.feeds.importer import import_feed
from backend.notifications.models import OutgoingEmail
from backend.orders.models import Order, OrderStatusChange
from backend.orders.services import cancel_order, creation
from tests.concurrency.actors import execute
from tests.concurrency.deadlocks import count_deadlocks, count_retries, deadlocks, without_retries
from tests.concurrency.shoppers import ShopCase, assert_orders_are_whole
from tests.concurrency.test_crowds_over_http import together
from tests.feeds.helpers import table
from tests.support.clients import GraphQLClient, RestClient
from tests.support.people import make_user, make_viewer, open_session_token

BUILD_CONTENTS = "backend.carts.services.build_contents"
ADD_LINE = "mutation ($id: ID!) { cartLinesAdd(lines: [{productId: $id}]) { cart { id } errors { code } } }"


class CrosswiseOrdersTest(ShopCase):
    """Two orders lock the same two products in opposite order."""

    def setUp(self) -> None:
        super().setUp()
        self.other = make_user()
        for user in (self.user, self.other):
            self.add(self.a, self.b, user=user)

    def order_both(self) -> list[Order | Exception]:
        both_have_one = Barrier(2)
        remaining = {self.user.pk: 1, self.other.pk: 1}

        lock_lines = creation._lock_lines

        def lock_crosswise(cart: Cart) -> Any:
            user_id = cart.user_id
            assert user_id is not None
            first, second = sorted([self.a.pk, self.b.pk], reverse=user_id == self.user.pk)
            lock_product_rows([first])
            if remaining[user_id]:
                remaining[user_id] -= 1
                both_have_one.wait(10)
            lock_product_rows([second])
            return lock_lines(cart)

        def order(user: User) -> Order | Exception:
            try:
                return self.order(user)
            except (Conflict, OperationalError) as error:
                return error

        with mock.patch.object(creation, "_lock_lines", lock_crosswise):
            return together([lambda: order(self.user), lambda: order(self.other)])

    def test_both_succeed_after_a_deadlock(self) -> None:
        before, retries = count_deadlocks(), count_retries()
        orders = self.order_both()
        assert all(isinstance(order, Order) for order in orders), orders
        assert count_deadlocks() == before + 1
        assert count_retries() == retries + 1
        assert self.stock() == {"A": 8, "B": 8, "C": 10}
        assert Order.objects.count() == OutgoingEmail.objects.count() == 2
        assert_orders_are_whole()

    def test_without_the_retry_one_of_them_fails(self) -> None:
        with without_retries():
            (failed,) = (order for order in self.order_both() if not isinstance(order, Order))
        assert "deadlock detected" in str(failed)
        assert self.stock() == {"A": 9, "B": 9, "C": 10}


class ServicesTest(ShopCase):
    """Each service with several locks runs again, completely, after a deadlock."""

    def assert_retried(self, run: Callable[[], Any], target: str, lock: Callable[[], Any]) -> None:
        """Assert that a call fails without retries, and succeeds with them after two deadlocks."""
        with without_retries(), deadlocks(target, lock, times=1), pytest.raises(OperationalError):
            run()
        before, retries = count_deadlocks(), count_retries()
        with deadlocks(target, lock, times=2):
            run()
        assert count_deadlocks() == before + 2
        assert count_retries() == retries + 2

    def lock_cart(self) -> None:
        Cart.objects.select_for_update().get(user=self.user)

    def lock_account(self) -> None:
        User.objects.select_for_update().get(pk=self.user.pk)

    def test_add_is_retried(self) -> None:
        self.add(self.a)
        self.assert_retried(lambda: self.add(self.a, self.b), BUILD_CONTENTS, self.lock_cart)
        assert self.in_cart() == {"A": 2, "B": 1}

    def test_order_is_retried(self) -> None:
        self.add(self.a)
        self.assert_retried(self.order, "backend.orders.services.creation.take_stock", self.lock_cart)
        assert self.stock()["A"] == 9
        assert Order.objects.count() == OutgoingEmail.objects.count() == 1
        assert self.in_cart() == {}

    def test_cancellation_is_retried(self) -> None:
        self.add(self.a)
        order = self.order()

        def lock() -> None:
            Order.objects.select_for_update(no_key=True).get(pk=order.pk)

        self.assert_retried(
            lambda: cancel_order(viewer=make_viewer(self.user), number=order.number),
            "backend.orders.services.statuses.return_stock",
            lock,
        )
        assert self.stock()["A"] == 10
        assert OrderStatusChange.objects.filter(order=order).count() == 2

    def test_batch_of_an_import_is_retried(self) -> None:
        row = {"id": self.a.sku, "title": "New", "price": "5.00 RUB", "product_type": "X > Y"}

        def run() -> None:
            with self.settings(SHOP_CURRENCY="RUB"):
                report = import_feed(io.BytesIO(table(row)))
            if report.stopped:
                # The report shows an error of the database instead of raising it.
                assert "deadlock detected" in report.stopped
                raise OperationalError(report.stopped)
            assert (report.updated, report.refused) == (1, 0)

        self.assert_retried(run, "backend.feeds.importer.upsert_products", lock_imports)
        assert Product.objects.get(pk=self.a.pk).name == "New"

    def test_move_of_a_category_is_retried(self) -> None:
        parent, child = create_category(name="Parent"), create_category(name="Child")
        self.assert_retried(
            lambda: move_category(category_id=child.pk, target_id=parent.pk),
            "backend.catalog.services.mark_catalogue_changed",
            lock_tree,
        )
        assert Category.objects.get(pk=child.pk).parent_id == parent.pk

    def test_deletion_of_an_account_is_retried(self) -> None:
        self.add(self.a)
        rest = RestClient()
        token = {"Authorization": f"Bearer {open_session_token(self.user)}"}
        graphql = GraphQLClient(rest.client)
        delete = 'mutation { accountDelete(input: {password: "correct horse"}) { errors { code } } }'

        def run() -> None:
            body = graphql.post(delete, **token).json()
            if "errors" in body:
                raise OperationalError(body)
            assert body["data"]["accountDelete"]["errors"] == []

        self.assert_retried(run, "backend.accounts.services.profile.delete_emails", self.lock_account)
        assert not User.objects.filter(pk=self.user.pk).exists()
        assert not Cart.objects.exists()


class AdminTest(ShopCase):
    """The transaction of a request of the admin runs again after a deadlock."""

    def setUp(self) -> None:
        super().setUp()
        self.client.force_login(User.objects.create_superuser("boss@example.com", "correct horse"))

    def delete(self, model: str, *keys: int) -> list[str]:
        """Delete objects with the action of the list, and return the messages."""
        form = {"action": "delete_selected", "_selected_action": list(keys), "post": "yes"}
        response = self.client.post(f"/admin/{model}/", form, follow=True)
        assert response.status_code == 200
        return [str(message) for message in response.context["messages"]]

    def lock_product(self) -> None:
        lock_product_rows([self.a.pk])

    def lock_account(self) -> None:
        User.objects.select_for_update().get(pk=self.user.pk)

    def test_deletion_of_products_is_retried(self) -> None:
        self.add(self.a, self.b)
        with deadlocks("backend.catalog.admin.products._read_picture_names", self.lock_product, times=2):
            messages = self.delete("catalog/product", self.a.pk, self.b.pk)
        assert messages == ["Successfully deleted 2 products."]
        assert self.stock() == {"C": 10}
        assert self.in_cart() == {}

    def test_deletion_of_accounts_is_retried(self) -> None:
        self.add(self.a)
        with deadlocks("backend.accounts.admin.lock_carts", self.lock_account, times=2):
            messages = self.delete("accounts/user", self.user.pk)
        assert messages == ["Successfully deleted 1 user."]
        assert not Cart.objects.exists()

    def test_deletion_is_refused_after_the_last_attempt(self) -> None:
        target = "backend.catalog.admin.products._read_picture_names"
        with deadlocks(target, self.lock_product, times=MAX_ATTEMPTS):
            messages = self.delete("catalog/product", self.a.pk)
        assert messages == ["Other requests are changing the same data. Try again."]
        assert self.stock() == {"A": 10, "B": 10, "C": 10}

    def test_messages_of_a_cancelled_attempt_are_not_shown(self) -> None:
        """Foreign keys are checked at the commit, after the message has been queued."""
        target = "backend.catalog.admin.fields.mark_catalogue_changed"
        page = f"/admin/catalog/product/{self.c.pk}/delete/"
        with deadlocks(target, lambda: lock_product_rows([self.c.pk]), times=1):
            response = self.client.post(page, {"post": "yes"}, follow=True)
        assert len(response.context["messages"]) == 1
        assert self.stock() == {"A": 10, "B": 10}


class ExhaustedTest(ShopCase):
    """After the last attempt, both APIs answer with the same code and log no stack trace."""

    def setUp(self) -> None:
        super().setUp()
        self.add(self.a)
        self.headers = {"Authorization": f"Bearer {open_session_token(self.user)}"}

    def lock_cart(self) -> None:
        Cart.objects.select_for_update().get(user=self.user)

    def send(self, send: Callable[[], Any], times: int) -> Any:
        with deadlocks(BUILD_CONTENTS, self.lock_cart, times=times), self.assertLogs(level="WARNING") as logs:
            response = send()
        assert not any(record.exc_info for record in logs.records)
        assert len([line for line in logs.output if "deadlock detected" in line]) == times
        return response

    def send_rest(self, times: int) -> Any:
        body = {"product_id": self.b.pk}
        return self.send(lambda: RestClient().post("/cart", body, **self.headers), times)

    def send_graphql(self, times: int) -> Any:
        variables = {"id": str(self.b.pk)}
        return self.send(lambda: GraphQLClient().post(ADD_LINE, variables, **self.headers), times)

    def test_last_attempt_succeeds_in_both_apis(self) -> None:
        assert self.send_rest(MAX_ATTEMPTS - 1).status_code == 200
        payload = self.send_graphql(MAX_ATTEMPTS - 1).json()["data"]["cartLinesAdd"]
        assert payload["errors"] == []
        assert self.in_cart() == {"A": 1, "B": 2}

    def test_conflict_in_both_apis_after_the_last_attempt(self) -> None:
        response = self.send_rest(MAX_ATTEMPTS)
        assert (response.status_code, response.json()["code"]) == (409, "CONFLICT")
        payload = self.send_graphql(MAX_ATTEMPTS).json()["data"]["cartLinesAdd"]
        assert payload == {"cart": None, "errors": [{"code": "CONFLICT"}]}
        assert self.in_cart() == {"A": 1}


class RunAtomicTest(TransactionTestCase):
    def setUp(self) -> None:
        self.runs = 0

    def fail(self, sqlstate: str) -> None:
        """Count a run, and let PostgreSQL report an error."""
        self.runs += 1
        execute(f"DO $$ BEGIN RAISE EXCEPTION 'failed' USING ERRCODE = '{sqlstate}'; END $$")

    def test_deadlocks_and_serialization_failures_are_retried(self) -> None:
        for sqlstate in ("40P01", "40001"):
            self.runs = 0
            with self.subTest(sqlstate), pytest.raises(Conflict):
                run_atomic(lambda sqlstate=sqlstate: self.fail(sqlstate), name="test")
            assert self.runs == MAX_ATTEMPTS

    def test_other_errors_are_not_retried(self) -> None:
        for sqlstate, error in {
            "55P03": OperationalError,
            "57014": OperationalError,
            "23505": IntegrityError,
        }.items():
            self.runs = 0
            with self.subTest(sqlstate), pytest.raises(error):
                run_atomic(lambda sqlstate=sqlstate: self.fail(sqlstate), name="test")
            assert self.runs == 1

    def test_part_of_another_transaction_is_not_retried(self) -> None:
        with pytest.raises(OperationalError), transaction.atomic():
            run_atomic(lambda: self.fail("40P01"), name="test")
        assert self.runs == 1

    def test_outermost_transaction_is_retried_with_its_parts(self) -> None:
        def run() -> None:
            run_atomic(lambda: self.fail("40P01"), name="part")

        with pytest.raises(Conflict):
            run_atomic(run, name="whole")
        assert self.runs == MAX_ATTEMPTS

    def test_committed_transaction_is_not_retried(self) -> None:
        def write() -> None:
            Category.objects.create(name=f"Run {self.runs}", slug=f"run-{self.runs}")
            transaction.on_commit(lambda: self.fail("40P01"))

        with pytest.raises(OperationalError):
            run_atomic(write, name="test")
        assert self.runs == 1
        assert Category.objects.count() == 1

    def test_callbacks_of_cancelled_attempts_do_not_run(self) -> None:
        sent = []

        def write() -> None:
            transaction.on_commit(lambda: sent.append(self.runs))
            if self.runs < 2:
                self.fail("40001")

        run_atomic(write, name="test")
        assert sent == [2]
        assert not connection.in_atomic_block
