"""Register accounts and confirm their e-mail addresses."""

from collections.abc import Callable

from django.utils import timezone
from gqlauth.models import UserStatus

from backend.accounts.codes import Purpose
from backend.accounts.email_addresses import normalize_email
from backend.accounts.models import User
from backend.accounts.password_hashing import hash_password, matches_hash
from backend.accounts.services.email_codes import (
    MIN_EMAIL_INTERVAL,
    enqueue_code_email,
    redeem_account_code,
)
from backend.accounts.services.rate_limits import hit_code_limits, hit_email_limits
from backend.accounts.services.validation import validate_language, validate_new_password
from backend.core.db import atomic_or_conflict
from backend.core.errors import ShopError, collect_errors, raise_collected
from backend.notifications.services import enqueue_email


def register_account(*, email: str, password: str, language: str, address: str) -> None:
    """Create an unconfirmed account and send a confirmation code to its address.

    If the address has a confirmed account, its owner gets a mail about the attempt instead. The response
    and its time are the same, so that they do not reveal which accounts exist.

    A registration can be repeated until it is confirmed. The last password applies, and a new code is sent at
    most once a minute. A code that has been sent stays valid if the password is the same.

    Args:
        email: the login.
        password: validated by AUTH_PASSWORD_VALIDATORS.
        language: of messages and mails, "ru" or "en".
        address: of the client, for the rate limits.

    Raises:
        Invalid, TooLong, WeakPassword: a value is not acceptable.
        RateLimited: too many mails were requested for this e-mail address or from this client address.
        Unavailable: Redis does not respond; nothing is registered.
    """
    errors: list[ShopError] = []
    user = User()
    with collect_errors(errors):
        user.email = email = normalize_email(email)
    with collect_errors(errors):
        validate_language(language)
    with collect_errors(errors):
        validate_new_password(password, user, field="password")
    raise_collected(errors)
    hit_email_limits(email, address)
    _save_registration(email, password, hash_password(password), language)


def resend_confirmation_code(*, email: str, address: str) -> None:
    """Send a new confirmation code to an unconfirmed account. The caller does not learn whether it exists.

    Raises:
        Invalid, TooLong, RateLimited, Unavailable: as for `register_account`.
    """
    enqueue_code_email(Purpose.CONFIRMATION, email=email, address=address)


def confirm_registration(
    *,
    email: str,
    code: str,
    address: str,
    before_redemption: Callable[[str, User | None], None] = lambda email, user: None,
) -> None:
    """Confirm the address of an account with the code sent to it.

    Args:
        before_redemption: called in the same transaction, before the code is used up, with the normalized
            address and the locked account, or None if no account has this address or it is confirmed already.
            It must take the same time for both.

    Raises:
        WrongCode: see `codes.redeem_code`.
        Invalid, TooLong, RateLimited, Unavailable: as for `register_account`.
    """
    email = normalize_email(email)
    hit_code_limits(Purpose.CONFIRMATION, email, address)
    _confirm(email, code, before_redemption)


@atomic_or_conflict
def _save_registration(email: str, password: str, hashed: str, language: str) -> None:
    """Create or update an unconfirmed account, and enqueue a mail to its address."""
    user = _get_or_create_locked(email, hashed, language)
    existing = User.objects.only("password", "language").get(pk=user.pk)
    # Keep the hash of the same password: if a form is sent twice, the first code stays valid.
    if matches_hash(password, existing.password):
        hashed = existing.password
    # Staff are created in the admin and may log in there unconfirmed, so a registration must not set their
    # password.
    is_unconfirmed = User.objects.filter(pk=user.pk, is_staff=False, status__verified=False).update(
        password=hashed, language=language, date_joined=timezone.now()
    )
    enqueue_email(
        task="accounts.send_confirmation_code" if is_unconfirmed else "accounts.send_already_registered",
        recipient=email,
        language=language if is_unconfirmed else existing.language,
        min_interval=MIN_EMAIL_INTERVAL,
    )


@atomic_or_conflict
def _confirm(email: str, code: str, before_redemption: Callable[[str, User | None], None]) -> None:
    """Confirm the address of an account and redeem the code."""
    # An unknown address causes the same statements, which then match no row.
    user = User.objects.select_for_update().filter(email=email).first()
    unconfirmed = UserStatus.objects.filter(user_id=user.pk if user else 0, verified=False)
    confirmed = user if unconfirmed.update(verified=True) else None
    before_redemption(email, confirmed)
    # No lock is taken after this, so no deadlock can repeat it.
    redeem_account_code(Purpose.CONFIRMATION, email, code, confirmed)


def _get_or_create_locked(email: str, hashed_password: str, language: str) -> User:
    """Create an unconfirmed account, or lock the existing one, with the same statements."""
    user = User(email=email, password=hashed_password, language=language)
    User.objects.bulk_create([user], update_conflicts=True, unique_fields=["email"], update_fields=["email"])
    UserStatus.objects.bulk_create([UserStatus(user=user)], ignore_conflicts=True)
    return user
