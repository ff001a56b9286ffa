"""Registration, confirmed by a mailed code."""

from django.contrib.auth.hashers import check_password, make_password
from django.db import transaction
from django.utils import timezone
from gqlauth.models import UserStatus

from backend.accounts.codes import Purpose
from backend.accounts.emails import normal_email
from backend.accounts.models import User
from backend.accounts.services.checks import check_language, check_password_strength
from backend.accounts.services.limits import count_code, count_mail
from backend.accounts.services.mailed_codes import MAIL_EVERY, mail_code, use_code
from backend.notifications.services import queue_email


def register(*, email: str, password: str, language: str, address: str) -> None:
    """Take a registration and mail a code, or mail the owner of a known address that it is known.

    The caller learns the same either way, after the same work. Until it is confirmed a registration can
    be repeated; the last password counts, and a code for it is mailed, at most one a minute. One that is
    mailed already stays good for the same password.

    Args:
        email: the login to be.
        password: checked by Django's validators.
        language: of the mails, "ru" or "en".
        address: of the client, for the limits.

    Raises:
        Invalid, TooLong, WeakPassword: for what is not fit.
        RateLimited: too many mails for this e-mail or from this address.
        Unavailable: Redis does not answer; nothing is registered.
    """
    email = normal_email(email)
    check_language(language)
    check_password_strength(password, User(email=email), field="password")
    count_mail(email, address)
    hashed = make_password(password)
    with transaction.atomic():
        user = _locked_account(email, hashed, language)
        known = User.objects.only("password", "language").get(pk=user.pk)
        # The same password keeps its hash, and so the code that is on its way to somebody who clicked twice.
        if check_password(password, known.password):
            hashed = known.password
        # Staff are made in the admin, where they need no confirmation to enter.
        waiting = User.objects.filter(pk=user.pk, is_staff=False, status__verified=False).update(
            password=hashed, language=language, date_joined=timezone.now()
        )
        queue_email(
            task="accounts.send_confirmation_code" if waiting else "accounts.send_already_registered",
            recipient=email,
            language=language if waiting else known.language,
            at_most_every=MAIL_EVERY,
        )


def resend_confirmation(*, email: str, address: str) -> None:
    """Mail a new code for a registration that waits for one; the caller learns nothing of it.

    Raises:
        Invalid, TooLong, RateLimited, Unavailable: as for `register`.
    """
    mail_code(Purpose.CONFIRMATION, email=email, address=address)


def confirm(*, email: str, code: str, address: str) -> None:
    """Confirm a registration by the code that was mailed.

    Raises:
        WrongCode: see `codes.spend_code`.
        Invalid, TooLong, RateLimited, Unavailable: as for `register`.
    """
    email = normal_email(email)
    count_code(Purpose.CONFIRMATION, email, address)
    with transaction.atomic():
        # The same statements for an unknown address, whose row is none.
        user = User.objects.select_for_update().filter(email=email).first()
        waiting = UserStatus.objects.filter(user_id=user.pk if user else 0, verified=False)
        use_code(Purpose.CONFIRMATION, email, code, user if waiting.update(verified=True) else None)


def _locked_account(email: str, hashed_password: str, language: str) -> User:
    """Make an unconfirmed account or lock the one that there is, by the same statements."""
    user = User(email=email, password=hashed_password, language=language)
    User.objects.bulk_create([user], update_conflicts=True, unique_fields=["email"], update_fields=["email"])
    UserStatus.objects.bulk_create([UserStatus(user=user)], ignore_conflicts=True)
    return user
