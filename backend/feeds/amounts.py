"""Parse numbers, prices and quantities in the notations of different countries.

A number that can be read in two ways is refused: "1,234" is 1234 in New York and 1.234 in Moscow.
Libraries such as price-parser guess.
"""

import re
from decimal import Decimal

from django.utils.translation import gettext as _

from backend.catalog.models import MAX_PRICE
from backend.core.text import clean_line

MAX_QUANTITY = 2_147_483_647
# Longer texts are not amounts.
_MAX_LENGTH = 60

# Digits with one separator between the thousands. After the other one, a fraction or a dash follows.
_GROUPED = re.compile(
    r"(?P<units>[1-9][0-9]{0,2}(?P<group>[ '’.,])[0-9]{3}(?:(?P=group)[0-9]{3})*)"
    r"(?:(?!(?P=group))[.,](?P<fraction>[0-9]*|[-–—]{1,2}))?"
)
# In India, digits before the last three are in groups of two.
_INDIAN = re.compile(r"(?P<units>[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3})(?:\.(?P<fraction>[0-9]*))?")
_PLAIN = re.compile(r"(?P<units>[0-9]*)(?:[.,](?P<fraction>[0-9]*|[-–—]{1,2}))?")
_AMBIGUOUS = re.compile(r"([1-9][0-9]{0,2})[.,]([0-9]{3})")
_AMOUNT = re.compile(
    r"(?P<before>[^\d.,+\-−–—\s]+\.?)? ?(?P<sign>[-−–]?) ?"
    r"(?P<number>[.,]?[0-9](?:[0-9 '’.,]*[0-9])?(?:[.,](?:[-–—]{1,2})?)?)"
    r" ?(?P<after>[^\d.,+\-−–—\s][^\d,+\-−–—]*)?"
)
_ISO_CODE = re.compile("[a-z]{3}", re.IGNORECASE)

# Codes by symbol, abbreviation or word, without a dot at the end. Some stand for several currencies.
_CURRENCY_SIGNS: dict[str, tuple[str, ...]] = {
    "₽": ("RUB",),
    "р": ("RUB",),
    "руб": ("RUB",),
    "рубль": ("RUB",),
    "рубля": ("RUB",),
    "рублей": ("RUB",),
    "rur": ("RUB",),
    "br": ("BYN",),
    "бел. руб": ("BYN",),
    "$": ("USD", "CAD", "AUD", "NZD", "SGD", "HKD", "MXN", "CLP", "COP", "ARS", "TWD"),
    "us$": ("USD",),
    "c$": ("CAD",),
    "ca$": ("CAD",),
    "a$": ("AUD",),
    "au$": ("AUD",),
    "r$": ("BRL",),
    "€": ("EUR",),
    "euro": ("EUR",),
    "евро": ("EUR",),
    "£": ("GBP",),
    "¥": ("JPY", "CNY"),
    "円": ("JPY",),
    "元": ("CNY",),
    "₸": ("KZT",),
    "тг": ("KZT",),
    "тенге": ("KZT",),
    "₴": ("UAH",),
    "грн": ("UAH",),
    "сум": ("UZS",),
    "so'm": ("UZS",),
    "сом": ("KGS",),
    "₾": ("GEL",),
    "֏": ("AMD",),
    "₼": ("AZN",),
    "₺": ("TRY",),
    "tl": ("TRY",),
    "zł": ("PLN",),
    "kč": ("CZK",),
    "ft": ("HUF",),
    "lei": ("RON", "MDL"),
    "лв": ("BGN",),
    "kr": ("SEK", "NOK", "DKK", "ISK"),
    "fr": ("CHF",),
    "₹": ("INR",),
    "rs": ("INR", "PKR", "LKR"),
    "₩": ("KRW",),
    "₪": ("ILS",),
    "₫": ("VND",),
    "฿": ("THB",),
    "₦": ("NGN",),
}
_PIECES = re.compile(
    r"(?:шт|штук|штука|штуки|ед|pcs|pc|pieces|piece|units|unit|ea|stk|stück|szt)\.?$", re.IGNORECASE
)
_QUANTITY = re.compile(r"(?:>=?|≥)? ?(?P<sign>[-−]?)(?P<number>[0-9.,'’ ]+?) ?\+? ?")


class AmbiguousNumber(ValueError):
    """The number can be read in two ways. The message is a predicate about it."""


def parse_number(text: str) -> Decimal:
    """Parse a number without a sign.

    Raises:
        AmbiguousNumber: the separator can stand for thousands or for the decimal point.
        ValueError: the text is not a number.
    """
    ambiguous = _AMBIGUOUS.fullmatch(text)
    if ambiguous:
        units, fraction = ambiguous.groups()
        raise AmbiguousNumber(
            _("can mean %(whole)s or %(decimal)s")
            % {"whole": units + fraction, "decimal": f"{units}.{fraction}"}
        )
    match = _PLAIN.fullmatch(text) or _GROUPED.fullmatch(text) or _INDIAN.fullmatch(text)
    digits = re.sub("[^0-9]", "", match["units"]) if match else ""
    fraction = ((match["fraction"] if match else "") or "").strip("-–—")
    if not digits and not fraction:
        raise ValueError(_("%(text)r is not a number") % {"text": text})
    return Decimal(f"{digits or '0'}.{fraction or '0'}")


def parse_price(text: str, *, currency: str, accept_currency: str = "") -> Decimal:
    """Parse a price such as "28.99 USD" or "1 299,00 ₽".

    Args:
        currency: the shop's currency, ISO 4217, which a price without a currency is in.
        accept_currency: another currency whose prices are taken unconverted.

    Raises:
        ValueError: the text is not a price, is ambiguous, in another currency or out of range. The message
            is a predicate about the column.
    """
    shown = repr(text[:40])
    unreadable = _('%(text)s is not a price such as "28.99 %(currency)s"') % {
        "text": shown,
        "currency": currency,
    }
    folded = clean_line(text)
    match = _AMOUNT.fullmatch(folded) if len(folded) <= _MAX_LENGTH else None
    if not match:
        raise ValueError(unreadable)
    # A dot after a code, as in "RUB.99", can be the decimal point.
    signs = [match["before"] or "", (match["after"] or "").rstrip(".")]
    for sign in filter(None, signs):
        codes = _find_codes(sign)
        if not codes:
            raise ValueError(unreadable)
        if currency not in codes and accept_currency.upper() not in codes:
            raise ValueError(
                _(
                    "is in %(code)s but the shop's currency is %(currency)s; --accept-currency %(code)s "
                    "takes the numbers unconverted"
                )
                % {"code": codes[0], "currency": currency}
            )
    try:
        price = parse_number(match["number"])
    except AmbiguousNumber as error:
        raise ValueError(
            _("%(text)s %(reason)s; write thousands as 1000.00, or two decimal places")
            % {"text": shown, "reason": error}
        ) from error
    except ValueError as error:
        raise ValueError(unreadable) from error
    if (match["sign"] and price) or price > MAX_PRICE:
        raise ValueError(_("must be between 0 and %(maximum)s") % {"maximum": f"{MAX_PRICE:,}"})
    if price != round(price, 2):
        raise ValueError(_("%(text)s has more than two decimal places") % {"text": shown})
    return round(price, 2)


def _find_codes(sign: str) -> tuple[str, ...]:
    """Return the ISO 4217 codes that a sign, abbreviation or code stands for; empty if it is unknown."""
    known = sign.lower()
    codes = _CURRENCY_SIGNS.get(known) or _CURRENCY_SIGNS.get(known.rstrip("."))
    return codes or ((sign.upper(),) if _ISO_CODE.fullmatch(sign) else ())


def parse_quantity(text: str) -> int:
    """Parse a number of units such as "1 000", "10+" or "5 pcs". "More than 10" counts as 10.

    Raises:
        ValueError: the text is not a whole number, or it is ambiguous. The message is a predicate about the
            column.
    """
    shown = repr(text[:40])
    unreadable = _("%(text)s is not a whole number from 0 to %(maximum)s") % {
        "text": shown,
        "maximum": f"{MAX_QUANTITY:,}",
    }
    folded = clean_line(text)
    match = _QUANTITY.fullmatch(_PIECES.sub("", folded)) if len(folded) <= _MAX_LENGTH else None
    if not match:
        raise ValueError(unreadable)
    try:
        number = parse_number(match["number"].strip())
    except AmbiguousNumber as error:
        raise ValueError(
            _("%(text)s %(reason)s; write it without a separator") % {"text": shown, "reason": error}
        ) from error
    except ValueError as error:
        raise ValueError(unreadable) from error
    if number != int(number) or number > MAX_QUANTITY:
        raise ValueError(unreadable)
    return -int(number) if match["sign"] else int(number)
