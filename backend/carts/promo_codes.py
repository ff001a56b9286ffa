"""Promo codes: conditions, discounts and uses.

A transaction changes the row of a promo code after it has locked the account, the cart and the products, so
that the other customers of the code wait as briefly as possible.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection
from django.db.models import Count, F, IntegerField, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from backend.carts.models import MAX_PROMO_CODE_LENGTH, Cart, PromoCode, PromoCodeUse
from backend.catalog.models import ListingEntry
from backend.core.compiled_query import CompiledQuery, EqualsAny, Param
from backend.core.errors import Conflict, ErrorCode, ShopError
from backend.core.text import clean_line

ZERO = Decimal("0.00")
_CENT = Decimal("0.01")
# The message does not distinguish an inactive code, so that guessing does not reveal it.
_NOT_FOUND = _("This promo code does not exist.")
_VALID_CODE = re.compile(rf"[\w-]{{1,{MAX_PROMO_CODE_LENGTH}}}")

_LOCK_UNLIMITED = "SELECT 1 FROM carts_promocode WHERE id = %s AND updated_at = %s FOR SHARE"
_COUNT_USE = (
    "UPDATE carts_promocode SET uses = uses + 1 WHERE id = %s AND updated_at = %s AND uses < max_uses"
)
# Updates the code also if its uses are not counted, so that a concurrent recount waits.
_RETURN_USE = (
    "WITH returned AS (DELETE FROM carts_promocodeuse WHERE order_number = %s RETURNING promo_code_id) "
    "UPDATE carts_promocode SET uses = greatest(uses - 1, 0) FROM returned WHERE id = promo_code_id"
)


class PromoCodeNotFound(ShopError):
    """The promo code does not exist or is not active."""

    code = ErrorCode.PROMO_CODE_NOT_FOUND


class PromoCodeExpired(ShopError):
    """The promo code is not valid yet, or no longer."""

    code = ErrorCode.PROMO_CODE_EXPIRED


class PromoCodeUsedUp(ShopError):
    """The promo code has no uses left, in total or for this customer."""

    code = ErrorCode.PROMO_CODE_USED_UP


class PromoCodeMinimumTotal(ShopError):
    """The total of the cart is below the minimum of the promo code."""

    code = ErrorCode.PROMO_CODE_MINIMUM_TOTAL


class PromoCodeNotApplicable(ShopError):
    """The promo code does not apply to this cart or customer."""

    code = ErrorCode.PROMO_CODE_NOT_APPLICABLE


@dataclass(frozen=True, slots=True)
class PromoCodeTerms:
    """A promo code, read for the cart of one customer.

    Attributes:
        customer_uses: orders of the customer with the code; 0 for a guest.
        listed_ids: the products of the cart in the categories of the code; empty without categories.
    """

    id: int
    code: str
    percent: int | None
    amount: Decimal | None
    has_categories: bool
    minimum_total: Decimal | None
    starts_at: datetime | None
    ends_at: datetime | None
    max_uses: int | None
    max_uses_per_customer: int | None
    uses: int
    is_active: bool
    updated_at: datetime
    customer_uses: int
    listed_ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class Discount:
    """The effect of a promo code on a cart.

    Attributes:
        total: the sum of `by_product`.
        by_product: the discounts of the eligible lines, by product id; empty if there is a refusal.
        refusal: the reason why the code does not apply, or None.
    """

    terms: PromoCodeTerms
    total: Decimal
    by_product: Mapping[int, Decimal]
    refusal: ShopError | None


_COLUMNS = (
    "pk",
    "code",
    "percent",
    "amount",
    "has_categories",
    "minimum_total",
    "starts_at",
    "ends_at",
    "max_uses",
    "max_uses_per_customer",
    "uses",
    "is_active",
    "updated_at",
)


def _compile_terms(**condition: Param) -> CompiledQuery[tuple[Any, ...]]:
    def build() -> Any:
        uses = PromoCodeUse.objects.filter(promo_code_id=OuterRef("pk"), user_id=Param("user_id"))
        counted = uses.order_by().values("promo_code_id").annotate(count=Count("*")).values("count")
        categories = PromoCode.categories.through.objects.filter(promocode_id=OuterRef(OuterRef("pk")))
        listed = ListingEntry.objects.filter(
            EqualsAny(F("product_id"), Param("product_ids")), ancestor_id__in=categories.values("category_id")
        )
        return PromoCode.objects.filter(**condition).values_list(
            *_COLUMNS,
            Coalesce(Subquery(counted, IntegerField()), 0),
            ArraySubquery(listed.values("product_id")),
        )

    return CompiledQuery(build)


_TERMS_BY_ID = _compile_terms(pk=Param("id"))
_TERMS_BY_CODE = _compile_terms(code=Param("code"))


def normalize_promo_code(text: str) -> str | None:
    """Return a promo code in its stored form, or None if no promo code can have this text."""
    code = clean_line(text).upper()
    return code if _VALID_CODE.fullmatch(code) else None


def read_discount(promo_code_id: int, user_id: int | None, totals: Mapping[int, Decimal]) -> Discount | None:
    """Return the effect of a promo code on a cart, or None if the code has just been deleted.

    Args:
        user_id: the customer; None for a guest.
        totals: the line totals of the published products, by product id.
    """
    row = _TERMS_BY_ID.first(id=promo_code_id, user_id=user_id, product_ids=list(totals))
    if row is None:
        return None
    return compute_discount(PromoCodeTerms(*row), totals, is_guest=user_id is None)


def find_discount(text: str, user_id: int | None, totals: Mapping[int, Decimal]) -> Discount:
    """Return the effect of the promo code that a customer has entered; see `read_discount`.

    Raises:
        PromoCodeNotFound: there is no such code.
    """
    code = normalize_promo_code(text)
    row = code and _TERMS_BY_CODE.first(code=code, user_id=user_id, product_ids=list(totals))
    if not row:
        raise PromoCodeNotFound(_NOT_FOUND, field="code")
    return compute_discount(PromoCodeTerms(*row), totals, is_guest=user_id is None)


def compute_discount(
    terms: PromoCodeTerms, totals: Mapping[int, Decimal], *, is_guest: bool = False
) -> Discount:
    """Return the effect of a promo code on the line totals of a cart, by product id.

    The discount is rounded once, half up, and then distributed over the eligible lines.
    """
    listed = set(terms.listed_ids)
    eligible = {
        product_id: total
        for product_id, total in totals.items()
        if not terms.has_categories or product_id in listed
    }
    refusal = _find_refusal(terms, sum(totals.values(), ZERO), has_eligible=bool(eligible), is_guest=is_guest)
    if refusal is not None:
        return Discount(terms, ZERO, {}, refusal)
    base = sum(eligible.values(), ZERO)
    if terms.percent is not None:
        discount = (base * terms.percent / 100).quantize(_CENT, ROUND_HALF_UP)
    else:
        assert terms.amount is not None
        discount = min(terms.amount, base)
    parts = distribute_discount(discount, list(eligible.values()))
    return Discount(terms, discount, dict(zip(eligible, parts, strict=True)), None)


def distribute_discount(discount: Decimal, totals: Sequence[Decimal]) -> list[Decimal]:
    """Distribute a discount over lines in proportion to their totals, by the largest remainder method.

    The parts add up to the discount, and no part exceeds the total of its line. Of equal remainders, the
    first lines get the remaining cents.

    Args:
        discount: at most the sum of the totals; at most two decimals, like the totals.
    """
    cents, weights = int(discount * 100), [int(total * 100) for total in totals]
    base = sum(weights)
    if not base:
        return [ZERO] * len(weights)
    parts, remainders = zip(*(divmod(weight * cents, base) for weight in weights), strict=True)
    largest = sorted(range(len(weights)), key=lambda index: -remainders[index])[: cents - sum(parts)]
    increased = set(largest)
    return [_CENT * (part + (index in increased)) for index, part in enumerate(parts)]


def take_promo_code_use(terms: PromoCodeTerms, user_id: int | None, order_number: str) -> None:
    """Record that a new order uses a promo code.

    The caller has locked the account, and has read the terms after that.

    Raises:
        PromoCodeUsedUp: another order has taken the last use.
        Conflict: staff have changed the promo code since the terms were read.
    """
    # Without a maximum, a shared lock is enough: orders do not wait for each other, but staff wait for them.
    statement = _LOCK_UNLIMITED if terms.max_uses is None else _COUNT_USE
    with connection.cursor() as cursor:
        cursor.execute(statement, [terms.id, terms.updated_at])
        is_found = cursor.rowcount > 0
    if not is_found:
        if PromoCode.objects.filter(pk=terms.id, updated_at=terms.updated_at).exists():
            raise _make_used_up(terms)
        raise Conflict(
            _("Promo code %(code)s has just been changed. Try again."), params={"code": terms.code}
        )
    PromoCodeUse.objects.create(promo_code_id=terms.id, user_id=user_id, order_number=order_number)


def assign_promo_code_uses(order_numbers: Iterable[str], user_id: int) -> None:
    """Count the uses of promo codes by orders of guests for the account that has received the orders."""
    PromoCodeUse.objects.filter(order_number__in=list(order_numbers)).update(user_id=user_id)


def return_promo_code_use(order_number: str) -> None:
    """Return the use of a promo code by an order that is being cancelled. Without a use, nothing happens."""
    with connection.cursor() as cursor:
        cursor.execute(_RETURN_USE, [order_number])


def delete_promo_codes(promo_code_ids: Sequence[int]) -> None:
    """Delete promo codes and their uses, and remove them from carts. Orders stay as they are."""
    carts = Cart.objects.filter(promo_code__in=promo_code_ids).order_by("pk")
    for is_guest in (False, True):
        # A merge locks the account's cart before that of the guest, so this does too.
        list(carts.filter(user__isnull=is_guest).select_for_update(no_key=True).values_list("pk"))
    PromoCode.objects.filter(pk__in=promo_code_ids).delete()


def finish_promo_code_edit(promo_code_id: int, *, has_categories: bool | None) -> None:
    """Update the columns that staff do not enter, after they have saved a promo code.

    The caller has locked the row since before the form was validated.

    Args:
        has_categories: None if the categories have not been edited.
    """
    promo_codes = PromoCode.objects.filter(pk=promo_code_id)
    uses = PromoCodeUse.objects.filter(promo_code_id=promo_code_id).count()
    promo_codes.update(uses=uses, updated_at=timezone.now())
    if has_categories is not None:
        promo_codes.update(has_categories=has_categories)


def _find_refusal(
    terms: PromoCodeTerms, subtotal: Decimal, *, has_eligible: bool, is_guest: bool
) -> ShopError | None:
    """Return the reason why a promo code does not apply to a cart, or None."""
    now, code = timezone.now(), terms.code
    if not terms.is_active:
        return PromoCodeNotFound(_NOT_FOUND)
    if terms.starts_at is not None and now < terms.starts_at:
        return PromoCodeExpired(
            _("Promo code %(code)s is not valid before %(starts_at)s."),
            params={"code": code, "starts_at": _format_time(terms.starts_at)},
        )
    if terms.ends_at is not None and now >= terms.ends_at:
        return PromoCodeExpired(
            _("Promo code %(code)s expired on %(ends_at)s."),
            params={"code": code, "ends_at": _format_time(terms.ends_at)},
        )
    if terms.max_uses is not None and terms.uses >= terms.max_uses:
        return _make_used_up(terms)
    if terms.max_uses_per_customer is not None and is_guest:
        # The uses of a guest cannot be counted: the e-mail address is not confirmed.
        return PromoCodeNotApplicable(
            _("Promo code %(code)s has a limit for each customer. Log in to use it."), params={"code": code}
        )
    if terms.max_uses_per_customer is not None and terms.customer_uses >= terms.max_uses_per_customer:
        return PromoCodeUsedUp(
            ngettext_lazy(
                "You have already used promo code %(code)s. It can be used once.",
                "You have already used promo code %(code)s. It can be used %(limit)s times.",
                "limit",
            ),
            params={"code": code, "limit": terms.max_uses_per_customer},
        )
    if not has_eligible:
        return PromoCodeNotApplicable(
            _("Promo code %(code)s applies to none of the products in the cart."), params={"code": code}
        )
    if terms.minimum_total is not None and subtotal < terms.minimum_total:
        currency = settings.SHOP_CURRENCY
        return PromoCodeMinimumTotal(
            _(
                "Promo code %(code)s requires a cart of at least %(minimum_total)s "
                "%(currency)s, not %(subtotal)s."
            ),
            params={
                "code": code,
                "minimum_total": terms.minimum_total,
                "currency": currency,
                "subtotal": subtotal,
            },
        )
    return None


def _make_used_up(terms: PromoCodeTerms) -> PromoCodeUsedUp:
    return PromoCodeUsedUp(_("Promo code %(code)s has been used up."), params={"code": terms.code})


def _format_time(time: datetime) -> str:
    return f"{timezone.localtime(time):%Y-%m-%d %H:%M %Z}"
