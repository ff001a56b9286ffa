"""Promo codes in carts: conditions, discounts, rounding, warnings, merging and rate limits."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import TestCase
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from backend.carts.models import Cart, CartLine, PromoCode, PromoCodeUse
from backend.carts.promo_code_services import (
    PROMO_CODES_PER_ACCOUNT,
    PROMO_CODES_PER_ADDRESS,
    apply_promo_code,
    remove_promo_code,
)
from backend.carts.promo_codes import (
    PromoCodeExpired,
    PromoCodeMinimumTotal,
    PromoCodeNotApplicable,
    PromoCodeNotFound,
    PromoCodeTerms,
    PromoCodeUsedUp,
    compute_discount,
    distribute_discount,
    normalize_promo_code,
)
from backend.carts.selectors import CartContents
from backend.carts.services import (
    CartEmpty,
    LineQuantity,
    add_lines,
    clear_cart,
    get_cart,
    remove_lines,
    update_lines,
)
from backend.catalog.models import Product
from backend.catalog.services import delete_category, publish_products
from backend.core.errors import RateLimited
from backend.core.throttling import RateLimit, hit_rate_limits
from backend.core.viewer import Viewer
from tests.accounts.cases import clear_rate_limits
from tests.accounts.test_rate_limits import end_window
from tests.carts.factories import fill_cart, forged_token, make_products, make_promo_code
from tests.catalog.factories import make_category, make_product
from tests.support.people import ADDRESS, make_user, make_viewer

MAX_CENTS = 999 * 10**12
CENTS = st.one_of(st.integers(0, 100), st.integers(0, MAX_CENTS), st.sampled_from([0, 1, 3, 10, MAX_CENTS]))
LINES = st.lists(CENTS, min_size=1, max_size=200)


def to_money(cents: int) -> Decimal:
    return Decimal(cents) / 100


def make_terms(**fields: Any) -> PromoCodeTerms:
    defaults = dict.fromkeys(PromoCodeTerms.__slots__)
    valid = {"code": "SALE", "is_active": True, "uses": 0, "customer_uses": 0, "listed_ids": []}
    return PromoCodeTerms(**{**defaults, **valid, **fields})


def compute_parts(lines: Sequence[int], **fields: Any) -> list[Decimal]:
    """Return the discounts of lines with these totals in cents."""
    discount = compute_discount(make_terms(**fields), {n: to_money(line) for n, line in enumerate(lines)})
    assert discount.refusal is None
    parts = [discount.by_product[n] for n in range(len(lines))]
    assert sum(parts) == discount.total
    return parts


class TestDistribution:
    @given(LINES, st.data())
    def test_parts_add_up_and_do_not_exceed_their_lines(self, lines: list[int], data: st.DataObject) -> None:
        discount = data.draw(st.integers(0, sum(lines)))
        parts = distribute_discount(to_money(discount), [to_money(line) for line in lines])
        assert sum(parts) == to_money(discount)
        for part, line in zip(parts, lines, strict=True):
            assert 0 <= part <= to_money(line)
            assert part.as_tuple().exponent == -2
            if sum(lines):
                assert abs(part * 100 - Decimal(line * discount) / sum(lines)) < Decimal("1.001")

    @given(LINES, st.data())
    def test_larger_line_never_gets_a_smaller_part(self, lines: list[int], data: st.DataObject) -> None:
        discount = data.draw(st.integers(0, sum(lines)))
        parts = distribute_discount(to_money(discount), [to_money(line) for line in lines])
        by_line = sorted(zip(lines, parts, strict=True))
        for (line, part), (larger, larger_part) in pairwise(by_line):
            assert part <= larger_part or line == larger

    @given(LINES, st.integers(1, 99))
    def test_larger_percentage_never_gives_a_smaller_discount(self, lines: list[int], percent: int) -> None:
        discount = sum(compute_parts(lines, percent=percent))
        exact = to_money(sum(lines)) * percent / 100
        assert discount == exact.quantize(Decimal("0.01"), ROUND_HALF_UP)
        assert discount <= sum(compute_parts(lines, percent=percent + 1)) <= to_money(sum(lines))

    @given(LINES, st.integers(1, MAX_CENTS))
    def test_amount_is_capped_by_the_lines(self, lines: list[int], amount: int) -> None:
        parts = compute_parts(lines, amount=to_money(amount))
        assert sum(parts) == to_money(min(amount, sum(lines)))

    @given(LINES)
    def test_hundred_percent_makes_every_line_free(self, lines: list[int]) -> None:
        assert compute_parts(lines, percent=100) == [to_money(line) for line in lines]

    @pytest.mark.parametrize(
        ("discount", "lines", "parts"),
        [
            ("0.01", ["0.10", "0.10", "0.10"], ["0.01", "0.00", "0.00"]),
            ("0.02", ["0.10", "0.10", "0.10"], ["0.01", "0.01", "0.00"]),
            ("10.00", ["10.00", "10.00", "10.00"], ["3.34", "3.33", "3.33"]),
            ("1.00", ["0.01", "99.99", "0.00"], ["0.00", "1.00", "0.00"]),
            ("0.00", ["0.00"], ["0.00"]),
        ],
    )
    def test_remaining_cents_go_to_the_largest_remainders(
        self, discount: str, lines: list[str], parts: list[str]
    ) -> None:
        shares = distribute_discount(Decimal(discount), [Decimal(line) for line in lines])
        assert [str(share) for share in shares] == parts

    @pytest.mark.parametrize(("line", "discount"), [(4, "0.00"), (5, "0.01"), (14, "0.01"), (15, "0.02")])
    def test_half_a_cent_is_rounded_up(self, line: int, discount: str) -> None:
        assert [str(part) for part in compute_parts([line], percent=10)] == [discount]


class TestNormalization:
    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("sale_10-a", "SALE_10-A"),
            (" Sale\u200b10\n", "SALE10"),
            ("скидка", "СКИДКА"),
            ("s" * 32, "S" * 32),
            ("s" * 33, None),
            ("sale 10", None),
            ("10%", None),
            ("", None),
            ("\0", None),
        ],
    )
    def test_code_is_cleaned_and_in_upper_case(self, text: str, code: str | None) -> None:
        assert normalize_promo_code(text) == code


class PromoCodeCase(TestCase):
    """A shopper with a dress and two socks in the cart, for 30.00 together."""

    def setUp(self) -> None:
        clear_rate_limits()
        self.addCleanup(clear_rate_limits)
        self.clothes = make_category("Clothes")
        self.dresses = make_category("Dresses", make_category("Women", self.clothes))
        self.dress = make_product("dress", self.dresses, price=Decimal("20.00"), stock=50)
        self.sock = make_product("sock", make_category("Socks"), price=Decimal("5.00"), stock=50)
        self.user = make_user()
        self.viewer = make_viewer(self.user)
        self.cart = fill_cart(self.user, {self.dress: 1, self.sock: 2})

    def apply(self, code: PromoCode | str, viewer: Viewer | None = None) -> CartContents:
        return apply_promo_code(viewer=viewer or self.viewer, code=str(code), address=ADDRESS)

    def assert_refused(self, code: PromoCode | str, error: type[Exception], message: str = ".") -> None:
        """Assert that applying is refused and writes nothing, and that a cart with the code has a warning."""
        rows = list(Cart.objects.values("promo_code"))
        with pytest.raises(error, match=message) as raised:
            self.apply(code)
        assert list(Cart.objects.values("promo_code")) == rows
        if isinstance(code, PromoCode):
            Cart.objects.filter(pk=self.cart.pk).update(promo_code=code)
            contents = get_cart(viewer=self.viewer)
            (warning,) = contents.warnings
            assert (warning.code, warning.product_id) == ("PROMO_CODE_NOT_APPLIED", None)
            assert warning.message == raised.value.message  # type: ignore[attr-defined]
            assert (contents.promo_code, contents.discount) == (code.code, 0)
            assert contents.total == contents.subtotal == 30
            assert {line.discount for line in contents.lines} == {0}


class DiscountTest(PromoCodeCase):
    def discounts(self, contents: CartContents) -> dict[str, Decimal]:
        assert sum(line.discount for line in contents.lines) == contents.discount
        assert contents.total == contents.subtotal - contents.discount
        return {line.product.name: line.discount for line in contents.lines}

    def test_percentage_reduces_every_line(self) -> None:
        contents = self.apply(make_promo_code(percent=15))
        assert self.discounts(contents) == {"dress": 3, "sock": Decimal("1.50")}
        assert (contents.subtotal, contents.discount, contents.total) == (
            30,
            Decimal("4.50"),
            Decimal("25.50"),
        )

    def test_amount_is_distributed(self) -> None:
        assert self.discounts(self.apply(make_promo_code(amount=10))) == {
            "dress": Decimal("6.67"),
            "sock": Decimal("3.33"),
        }

    def test_amount_above_the_total_makes_the_cart_free(self) -> None:
        assert self.apply(make_promo_code(amount=31)).total == 0

    def test_category_includes_its_descendants_and_nothing_else(self) -> None:
        contents = self.apply(make_promo_code("", self.clothes, percent=50))
        assert self.discounts(contents) == {"dress": 10, "sock": 0}

    def test_amount_for_a_category_is_capped_by_its_lines(self) -> None:
        contents = self.apply(make_promo_code("", self.clothes, amount=25))
        assert self.discounts(contents) == {"dress": 20, "sock": 0}

    def test_line_in_two_categories_is_reduced_once(self) -> None:
        contents = self.apply(make_promo_code("", self.clothes, self.dresses, percent=50))
        assert self.discounts(contents) == {"dress": 10, "sock": 0}

    def test_product_that_is_no_longer_sold_is_not_reduced(self) -> None:
        publish_products(products=Product.objects.filter(pk=self.sock.pk), published=False)
        contents = self.apply(make_promo_code(percent=50))
        assert self.discounts(contents) == {"dress": 10, "sock": 0}
        assert contents.total == 10

    def test_every_change_of_the_cart_returns_the_new_discount(self) -> None:
        self.apply(make_promo_code(percent=10))
        line = LineQuantity(self.dress.pk, 2)
        added = add_lines(viewer=self.viewer, lines=[line], address=ADDRESS)
        updated = update_lines(viewer=self.viewer, lines=[line])
        removed = remove_lines(viewer=self.viewer, product_ids=[self.sock.pk])
        assert [contents.discount for contents in (added, updated, removed)] == [7, 5, 4]
        assert get_cart(viewer=self.viewer).discount == 4

    def test_new_code_replaces_the_earlier_one(self) -> None:
        first, second = make_promo_code(percent=10), make_promo_code(percent=20)
        self.apply(first)
        assert self.apply(second).promo_code == second.code
        assert get_cart(viewer=self.viewer).discount == 6

    def test_refused_code_keeps_the_earlier_one(self) -> None:
        self.apply(make_promo_code("FIRST"))
        with pytest.raises(PromoCodeNotFound):
            self.apply("SECOND")
        assert get_cart(viewer=self.viewer).promo_code == "FIRST"

    def test_code_is_found_in_any_case(self) -> None:
        make_promo_code("LÉTO-10")
        assert self.apply(" le\u0301to-10 ").promo_code == "LÉTO-10"

    def test_removed_code_reduces_nothing(self) -> None:
        self.apply(make_promo_code())
        contents = remove_promo_code(viewer=self.viewer)
        assert (contents.promo_code, contents.discount, contents.total) == (None, 0, 30)
        assert get_cart(viewer=self.viewer).promo_code is None
        assert remove_promo_code(viewer=self.viewer).total == 30

    def test_removal_without_a_cart_returns_an_empty_cart(self) -> None:
        for viewer in (Viewer(), Viewer(cart_token=forged_token()), make_viewer(make_user())):
            assert remove_promo_code(viewer=viewer).lines == []

    def test_deleted_code_leaves_the_cart(self) -> None:
        promo_code = make_promo_code()
        self.apply(promo_code)
        promo_code.delete()
        contents = get_cart(viewer=self.viewer)
        assert (contents.promo_code, contents.total, contents.warnings) == (None, 30, [])


class RefusalTest(PromoCodeCase):
    def test_unknown_and_inactive_codes_are_refused_alike(self) -> None:
        message = r"^This promo code does not exist\.$"
        for code in ("UNKNOWN", "", "\0", "not a code", "S" * 33):
            self.assert_refused(code, PromoCodeNotFound, message)
        self.assert_refused(make_promo_code(is_active=False), PromoCodeNotFound, message)

    def test_code_is_refused_before_its_start(self) -> None:
        now = timezone.now()
        self.assert_refused(
            make_promo_code(starts_at=now + timedelta(minutes=1)), PromoCodeExpired, "not valid before"
        )
        assert self.apply(make_promo_code(starts_at=now)).discount == 3

    def test_code_is_refused_after_its_end(self) -> None:
        now = timezone.now()
        self.assert_refused(make_promo_code(ends_at=now), PromoCodeExpired, "expired on")
        assert self.apply(make_promo_code(ends_at=now + timedelta(minutes=1))).discount == 3

    def test_minimum_is_that_of_the_whole_cart(self) -> None:
        below = make_promo_code("", self.clothes, minimum_total=Decimal("30.01"))
        self.assert_refused(below, PromoCodeMinimumTotal, r"at least 30\.01 RUB, not 30\.00")
        assert self.apply(make_promo_code("", self.clothes, minimum_total=30)).discount == 2

    def test_code_without_uses_left_is_refused(self) -> None:
        self.assert_refused(make_promo_code(max_uses=2, uses=2), PromoCodeUsedUp, "has been used up")
        assert self.apply(make_promo_code(max_uses=2, uses=1)).discount == 3

    def test_customer_without_uses_left_is_refused(self) -> None:
        promo_code = make_promo_code(max_uses_per_customer=2)
        for number, user in enumerate((self.user, make_user(), None)):
            PromoCodeUse.objects.create(promo_code=promo_code, user=user, order_number=number)
        assert self.apply(promo_code).discount == 3
        PromoCodeUse.objects.create(promo_code=promo_code, user=self.user, order_number="last")
        self.assert_refused(promo_code, PromoCodeUsedUp, "can be used 2 times")

    def test_cart_without_a_product_of_the_categories_is_refused(self) -> None:
        self.assert_refused(
            make_promo_code("", make_category("Books")), PromoCodeNotApplicable, "none of the products"
        )

    def test_code_whose_categories_were_deleted_applies_to_nothing(self) -> None:
        books = make_category("Books")
        promo_code = make_promo_code("", books)
        delete_category(category_id=books.pk)
        assert not promo_code.categories.exists()
        self.assert_refused(promo_code, PromoCodeNotApplicable)

    def test_empty_cart_is_refused(self) -> None:
        make_promo_code("SALE")
        for viewer in (Viewer(), Viewer(cart_token=forged_token()), make_viewer(make_user())):
            with pytest.raises(CartEmpty):
                self.apply("SALE", viewer)
        assert not Cart.objects.filter(promo_code__isnull=False).exists()

    def test_code_stays_in_a_cart_that_is_emptied(self) -> None:
        self.apply(make_promo_code("SALE"))
        for contents in (clear_cart(viewer=self.viewer), get_cart(viewer=self.viewer)):
            assert (contents.promo_code, contents.discount, contents.lines) == ("SALE", 0, [])
            assert [warning.code for warning in contents.warnings] == ["PROMO_CODE_NOT_APPLIED"]
        line = LineQuantity(self.dress.pk)
        assert add_lines(viewer=self.viewer, lines=[line], address=ADDRESS).discount == 2

    def test_database_refuses_invalid_codes(self) -> None:
        now = timezone.now()
        for name, fields in {
            "upper_case": {"code": "sale"},
            "promo_code_in_upper_case": {"code": ""},
            "percent_or_amount": {"percent": 10, "amount": 1},
            "promo_code_percent_or_amount": {"percent": None, "amount": None},
            "or_amount": {"percent": 0},
            "amount": {"percent": 101},
            "promo_code_percent": {"amount": 0},
            "minimum_above_0": {"minimum_total": 0},
            "ends_after_start": {"starts_at": now, "ends_at": now},
            "max_uses_from_1": {"max_uses": 0},
            "max_per_customer_from_1": {"max_uses_per_customer": 0},
            "uses": {"uses": -1},
        }.items():
            with self.subTest(name), pytest.raises(IntegrityError, match=name), transaction.atomic():
                PromoCode.objects.create(**{"code": "SALE", **({"percent": 1} | fields)})
        for valid in ({"percent": 1}, {"percent": 100}, {"amount": Decimal("0.01")}):
            make_promo_code(max_uses=1, max_uses_per_customer=1, minimum_total=Decimal("0.01"), **valid)


class MergeTest(PromoCodeCase):
    def start_guest(self, code: PromoCode | None) -> str:
        contents = add_lines(viewer=Viewer(), lines=[LineQuantity(self.sock.pk)], address=ADDRESS)
        assert contents.token is not None
        if code is not None:
            assert self.apply(code, Viewer(cart_token=contents.token)).discount == Decimal("0.50")
        return contents.token

    def test_code_of_the_guest_moves_with_the_cart(self) -> None:
        code = make_promo_code()
        viewer = make_viewer(self.user, self.start_guest(code))
        assert (get_cart(viewer=viewer).promo_code, get_cart(viewer=viewer).total) == (
            code.code,
            Decimal("31.50"),
        )

    def test_code_of_the_account_is_kept(self) -> None:
        self.apply(make_promo_code("OWN"))
        assert (
            get_cart(viewer=make_viewer(self.user, self.start_guest(make_promo_code()))).promo_code == "OWN"
        )

    def test_guest_without_a_code_leaves_that_of_the_account(self) -> None:
        self.apply(make_promo_code("OWN"))
        assert get_cart(viewer=make_viewer(self.user, self.start_guest(None))).promo_code == "OWN"

    def test_code_that_the_account_has_used_is_shown_with_a_warning(self) -> None:
        code = make_promo_code()
        PromoCodeUse.objects.create(promo_code=code, user=self.user, order_number="1")
        token = self.start_guest(code)
        PromoCode.objects.update(max_uses_per_customer=1)
        contents = get_cart(viewer=make_viewer(self.user, token))
        assert (contents.promo_code, contents.discount) == (code.code, 0)
        assert [warning.code for warning in contents.warnings] == ["PROMO_CODE_NOT_APPLIED"]


class RateLimitTest(PromoCodeCase):
    def use_up(self, limit: Any, action: str, subject: str) -> None:
        for _ in range(limit.amount - 1):
            hit_rate_limits([RateLimit([limit], action, subject)])

    def test_last_attempt_of_an_address_is_made_and_the_next_is_refused(self) -> None:
        make_promo_code("SALE")
        guest = Viewer(cart_token=forged_token())
        for limit in PROMO_CODES_PER_ADDRESS:
            self.use_up(limit, "promo-code-address", ADDRESS)
            with pytest.raises(CartEmpty):
                self.apply("SALE", guest)
            for viewer in (guest, self.viewer):
                with pytest.raises(RateLimited):
                    self.apply("SALE", viewer)
            assert apply_promo_code(viewer=self.viewer, code="SALE", address="192.0.2.2").promo_code == "SALE"
            end_window(limit)
            assert self.apply("SALE").promo_code == "SALE"
            clear_rate_limits()

    def test_last_attempt_of_an_account_is_made_and_the_next_is_refused(self) -> None:
        make_promo_code("SALE")
        for limit in PROMO_CODES_PER_ACCOUNT:
            self.use_up(limit, "promo-code", str(self.user.pk))
            assert self.apply("SALE").promo_code == "SALE"
            remove_promo_code(viewer=self.viewer)
            with pytest.raises(RateLimited):
                apply_promo_code(viewer=self.viewer, code="SALE", address="192.0.2.2")
            assert get_cart(viewer=self.viewer).promo_code is None
            with pytest.raises(CartEmpty):
                self.apply("SALE", make_viewer(make_user()))
            end_window(limit)
            assert self.apply("SALE").promo_code == "SALE"
            clear_rate_limits()


class QueryCountTest(TestCase):
    """Only a promo code takes additional statements, the same number for any number of lines."""

    def count(self, lines: int, code: PromoCode | None) -> int:
        user = make_user()
        cart = fill_cart(user, dict.fromkeys(self.products[:lines], 1))
        Cart.objects.filter(pk=cart.pk).update(promo_code=code)
        with CaptureQueriesContext(connection) as queries:
            assert len(get_cart(viewer=make_viewer(user)).lines) == lines
        return len(queries)

    def test_reading_carts_of_0_and_1_and_200_lines(self) -> None:
        category = make_category("Clothes")
        self.products = make_products(200, category=category)
        code = make_promo_code("", category, max_uses=5, max_uses_per_customer=5)
        assert [self.count(lines, None) for lines in (0, 1, 200)] == [1, 1, 1]
        assert [self.count(lines, code) for lines in (0, 1, 200)] == [2, 2, 2]

    def test_applying_to_1_and_200_lines(self) -> None:
        clear_rate_limits()
        category = make_category("Clothes")
        products = make_products(200, category=category)
        code = make_promo_code("", category)
        counts = []
        for lines in (1, 200):
            user = make_user()
            fill_cart(user, dict.fromkeys(products[:lines], 1))
            with CaptureQueriesContext(connection) as queries:
                apply_promo_code(viewer=make_viewer(user), code=code.code, address=ADDRESS)
            counts.append(len(queries))
        assert counts[0] == counts[1]
        assert CartLine.objects.count() == 201
