"""Numbers, prices and quantities in the spellings of the world."""

import re
from decimal import Decimal

import pytest
from django.test import SimpleTestCase
from hypothesis import given
from hypothesis import strategies as st

from backend.catalog.models import MAX_PRICE
from backend.feeds.amounts import MAX_QUANTITY, parse_price, parse_quantity

GROUPS = ("", " ", "\u00a0", "\u202f", "\u2009", "'", "’", ".", ",")


def price(text: str, currency: str = "RUB", **options: str) -> Decimal:
    return parse_price(text, currency=currency, **options)


class PriceTest(SimpleTestCase):
    def test_spellings_of_one_price(self) -> None:
        for text in [
            "1299",
            "1299.00",
            "1299,00",
            "1299,0",
            "1299.",
            "1299,",
            "1299.0000",
            "1299,-",
            "1299.–",
            "1 299",
            "1\u00a0299,00",
            "1\u202f299.00",
            "1'299.00",
            "1’299,00",
            "1,299.00",
            "1.299,00",
            "1.299,-",
            "1 299.000",
            "1299.00 RUB",
            "1299.00RUB",
            "  1299.00   rub ",
            "RUB 1299.00",
            "RUB1299",
            "1299.00 RUR",
            "RUR 1299",
            "1299 RUB.",
            "1299 руб.",
            "1299 руб",
            "1299руб.",
            "руб. 1299",
            "руб.1299",
            "1299 рублей",
            "1299 р.",
            "1299р",
            "1 299,00 ₽",
            "₽1299",
            "1299\u00a0₽",
            "1\u200b299\u200e",
        ]:
            with self.subTest(text=text):
                assert price(text) == 1299

    def test_fractions_groups_and_zeros(self) -> None:
        for text, expected in [
            ("12,5", "12.50"),
            (".99", "0.99"),
            (",99 RUB", "0.99"),
            ("0.500", "0.50"),
            ("0,5", "0.50"),
            ("0", "0.00"),
            ("-0", "0.00"),
            ("1299.9900", "1299.99"),
            ("1,234,567", "1234567.00"),
            ("1.234.567", "1234567.00"),
            ("1 234 567,89", "1234567.89"),
            ("12,34,567.50", "1234567.50"),
            ("9,999,999,999.99", "9999999999.99"),
        ]:
            with self.subTest(text=text):
                assert price(text) == Decimal(expected)

    def test_signs_of_other_currencies(self) -> None:
        for text, currency in [
            ("$12.50", "USD"),
            ("US$ 12.50", "USD"),
            ("$12.50", "CAD"),
            ("12,50 €", "EUR"),
            ("€12.50", "EUR"),
            ("£12.50", "GBP"),
            ("12,50 zł", "PLN"),
            ("12,50 Kč", "CZK"),
            ("12.50 ₸", "KZT"),
            ("12,50 грн.", "UAH"),
            ("Rs.12.50", "INR"),
            ("CHF 12.50", "CHF"),
        ]:
            with self.subTest(text=text):
                assert price(text, currency) == Decimal("12.50")
        assert price("12.50 USD", accept_currency="usd") == Decimal("12.50")
        assert price("$12.50", accept_currency="USD") == Decimal("12.50")

    def test_ambiguous_prices_are_refused_with_both_meanings(self) -> None:
        for text, meanings in [
            ("1,234", "1234 or 1.234"),
            ("1.234", "1234 or 1.234"),
            ("12,345 ₽", "12345 or 12.345"),
            ("RUB 999.000", "999000 or 999.000"),
            ("1.000", "1000 or 1.000"),
        ]:
            with (
                self.subTest(text=text),
                pytest.raises(ValueError, match=re.escape(f"can mean {meanings}; write")),
            ):
                price(text)

    def test_other_texts_are_refused(self) -> None:
        for text in [
            "free",
            "1e3",
            "1e3 RUB",
            "NaN",
            "inf",
            "٣",
            "1 29",
            "12 50",
            "1,29,9.00",
            "1,2345,678",
            "1.234.56",
            "0,123,456",
            "1,234'567",
            "1299 RUB 50",
            "10-20",
            "от 1299",
            "1299 за шт.",
            "RUB.99",
            "RUB",
            ".",
            ",-",
            "+5",
            "1" * 61,
        ]:
            with (
                self.subTest(text=text),
                pytest.raises(ValueError, match=re.escape('is not a price such as "28.99 RUB"')),
            ):
                price(text)

    def test_prices_are_limited(self) -> None:
        assert price(str(MAX_PRICE)) == MAX_PRICE
        for text in ("10000000000", "-0.01", "−1 RUB"):
            with (
                self.subTest(text=text),
                pytest.raises(ValueError, match=r"must be between 0 and 9,999,999,999\.99"),
            ):
                price(text)
        with pytest.raises(ValueError, match=r"'1299\.999' has more than two decimal places"):
            price("1299.999")

    def test_other_currencies_are_refused(self) -> None:
        for text, code in [("5 USD", "USD"), ("€5", "EUR"), ("XYZ 5", "XYZ"), ("5 грн", "UAH")]:
            with (
                self.subTest(text=text),
                pytest.raises(ValueError, match=f"is in {code} but the shop's currency is RUB"),
            ):
                price(text)

    @given(
        st.integers(0, 10**12 - 1),
        st.sampled_from(GROUPS),
        st.sampled_from(".,"),
        st.sampled_from(["{}", "{} RUB", "₽{}"]),
    )
    def test_every_price_with_two_decimals_is_read(
        self, cents: int, group: str, point: str, pattern: str
    ) -> None:
        if group == point:
            point = {".": ",", ",": "."}[point]
        text = f"{cents // 100:,}".replace(",", group) + f"{point}{cents % 100:02}"
        assert price(pattern.format(text)) == Decimal(cents) / 100


class QuantityTest(SimpleTestCase):
    def test_spellings(self) -> None:
        for text, expected in [
            ("3", 3),
            ("3.0", 3),
            ("3,00", 3),
            (" 7 ", 7),
            ("1 000", 1000),
            ("1\u00a0000", 1000),
            ("1,000,000", 1_000_000),
            ("10+", 10),
            ("> 10", 10),
            (">=10", 10),
            ("5 шт", 5),
            ("5 шт.", 5),
            ("5pcs", 5),
            ("-2", -2),
            ("0", 0),
            (str(MAX_QUANTITY), MAX_QUANTITY),
        ]:
            with self.subTest(text=text):
                assert parse_quantity(text) == expected

    def test_other_texts_are_refused(self) -> None:
        for text in (
            "many",
            "1e3",
            "1.5",
            "<10",
            "шт",
            "+",
            "10-20",
            "5 kg",
            str(MAX_QUANTITY + 1),
            "1" * 61,
        ):
            with self.subTest(text=text), pytest.raises(ValueError, match="is not a whole number from 0 to"):
                parse_quantity(text)
        with pytest.raises(
            ValueError, match=r"'1,000' can mean 1000 or 1\.000; write it without a separator"
        ):
            parse_quantity("1,000")
