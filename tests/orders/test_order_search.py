"""The search of orders by staff: what it finds, and the index of each condition."""

from django.db import connection
from django.db.models import Q
from django.test import TestCase
from django.test.utils import CaptureQueriesContext

from backend.orders.delivery import ContactInput, Delivery
from backend.orders.models import Order, Payment
from backend.orders.selectors import MIN_NAME_LENGTH, select_matching_ids
from tests.catalog.factories import make_product
from tests.concurrency.actors import execute
from tests.orders.factories import make_order
from tests.orders.test_admin import LIST, OrderAdminCase
from tests.support.people import make_user


class SearchTest(OrderAdminCase):
    def setUp(self) -> None:
        super().setUp()
        contact = ContactInput(name="Борис Пастернак", phone="+44 20 7946 0958 ext. 5")
        self.other = make_order(
            make_user("boris@example.com", name="Boris P."),
            (make_product(sku="MUG-7"), 1),
            delivery=Delivery(contact=contact),
        )

    def search(self, text: str) -> list[Order]:
        return list(self.client.get(LIST, {"q": text}).context["cl"].result_list)

    def test_names_of_contacts_and_accounts_are_found_by_any_part(self) -> None:
        for text in ("Vera Inber", "inber", "ERA INB", "  vera "):
            with self.subTest(text):
                assert self.search(text) == [self.order]
        for text in ("пастернак", "БОРИС", "boris p", "BORIS"):
            with self.subTest(text):
                assert self.search(text) == [self.other]

    def test_short_parts_and_wildcards_find_no_names(self) -> None:
        assert len("ver") == MIN_NAME_LENGTH
        assert self.search("ver") == [self.order]
        for text in ("ve", "v", "V_ra", "%%%", "Vera  Pasternak", "\\\\\\"):
            with self.subTest(text):
                assert self.search(text) == []

    def test_phone_numbers_are_found_in_any_notation(self) -> None:
        for text in (
            "+79215550102",
            "8 (921) 555-01-02",
            "921 555 01 02",
            "tel:+7-921-555-01-02",
            "+7 921 555-01-02 ext. 7",
        ):
            with self.subTest(text):
                assert self.search(text) == [self.order]
        assert self.search("+44 (0)20 7946 0958") == [self.other]
        for text in ("+7921555010", "9215550103", "921555", "555-01-02"):
            with self.subTest(text):
                assert self.search(text) == []

    def test_order_that_matches_in_several_ways_is_found_once(self) -> None:
        user = make_user("pasternak@example.com", name="MUG-7 fan")
        order = make_order(
            user,
            (self.tea, 1),
            delivery=Delivery(contact=ContactInput(name="MUG-7", phone="+7 921 555-01-03")),
        )
        assert self.search("MUG-7") == [order, self.other]

    def test_deleted_account_is_not_found(self) -> None:
        self.vera.delete()
        for text in ("vera", "vera@example.com", "+79215550102"):
            assert self.search(text) == []

    def test_statements_do_not_depend_on_the_number_of_orders(self) -> None:
        counts = []
        for _ in range(2):
            for text in ("inber", "8 921 555 01 02"):
                with CaptureQueriesContext(connection) as queries:
                    self.client.get(LIST, {"q": text})
                counts.append(len(queries))
            for _ in range(3):
                self.make_order()
        assert len(set(counts)) == 1


class SearchPlanTest(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        execute(
            "INSERT INTO accounts_user (password, is_superuser, email, name, language, is_staff, is_active,"
            " date_joined) SELECT '', false, n || '@example.com', md5(n::text), 'en', false, true, now()"
            " FROM generate_series(1, 5000) AS n"
        )
        execute(
            "INSERT INTO orders_order (number, user_id, status, total, currency, placed_at, idempotency_key,"
            " fingerprint) SELECT 'plan-' || id, id, 'placed', 0, 'RUB', now(), '', '' FROM accounts_user"
        )
        execute(
            "INSERT INTO orders_ordercontact (order_id, user_id, name, phone, line1, line2, city,"
            " postal_code, country, comment) SELECT id, user_id, md5(id::text),"
            " '+7921' || lpad(id::text, 7, '0'), '', '',"
            " '', '', '', '' FROM orders_order"
        )
        execute(
            "INSERT INTO orders_orderline (order_id, sku, name, unit_price, quantity, line_total)"
            " SELECT id, 'SKU-' || id, '', 0, 1, 0 FROM orders_order"
        )
        execute(
            "INSERT INTO orders_payment (order_id, provider, reference, amount, currency, status,"
            " received_at) SELECT id, 'p', id, 0, 'RUB', 'accepted', now() FROM orders_order"
        )
        for table in ("accounts_user", "orders_order", "orders_ordercontact", "orders_orderline"):
            execute(f"ANALYZE {table}")
        execute("ANALYZE orders_payment")
        for index in ("order_contact_name_trigrams", "user_name_trigrams"):
            # PostgreSQL reads all new entries of the index until they are merged.
            execute("SELECT gin_clean_pending_list(%s)", index)

    def test_every_condition_uses_an_index(self) -> None:
        plan = select_matching_ids("+7 921 555-01-02").explain()
        for index in (
            "order_line_by_sku",
            "order_contact_by_phone",
            "order_contact_name_trigrams",
            "user_name_trigrams",
            "accounts_user_email",
            "orders_order_number",
        ):
            with self.subTest(index):
                assert index in plan
        assert "Seq Scan" not in plan, plan

    def test_disjunction_reads_all_orders(self) -> None:
        disjunction = Q(number="x") | Q(user__email="x") | Q(person__phone="x")
        assert "Seq Scan" in Order.objects.filter(disjunction).explain()

    def test_filter_of_payments_uses_its_index(self) -> None:
        unaccepted = Payment.objects.exclude(status="accepted").order_by().values("order_id")
        plan = unaccepted.explain()
        assert "payment_not_accepted" in plan
        assert "Seq Scan" not in plan
