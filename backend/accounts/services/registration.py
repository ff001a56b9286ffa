"""Registration, confirmed by a mailed code."""

from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction
from gqlauth.models import UserStatus

from backend.accounts.codes import Purpose, may_send_code
from backend.accounts.emails import normal_email
from backend.accounts.models import User
from backend.accounts.services.checks import check_language, check_password_strength
from backend.accounts.services.limits import count_code, count_mail
from backend.accounts.services.mailed_codes import mail_code, use_code
from backend.core.errors import Unavailable
from backend.notifications.services import queue_email


def register(*, email: str, password: str, language: str, address: str) -> None:
    """Take a registration and mail a code, or mail the owner of a known address that it is known.

    The caller learns the same either way. Until it is confirmed a registration can be repeated; the
    last password counts.

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
    # Both of the slow things are done for known addresses too: their time must not tell them apart.
    hashed = make_password(password)
    send_code = may_send_code(Purpose.CONFIRMATION, email)
    with transaction.atomic():
        user = _lock_or_create(email, hashed, language)
        # Read after the lock: who waited for a confirmation must see it. Staff are made in the admin,
        # where they need no confirmation to enter.
        if user.is_staff or UserStatus.objects.filter(user=user, verified=True).exists():
            queue_email(task="accounts.send_already_registered", recipient=email, language=user.language)
            return
        user.password = hashed
        user.language = language
        user.save(update_fields=["password", "language"])
        if send_code:
            queue_email(task="accounts.send_confirmation_code", recipient=email, language=language)


def resend_confirmation(*, email: str, address: str) -> None:
    """Mail a new code for a registration that waits for one; the caller learns nothing of it.

    Raises:
        Invalid, TooLong, RateLimited, Unavailable: as for `register`.
    """
    mail_code(Purpose.CONFIRMATION, email, address, confirmed=False, task="accounts.send_confirmation_code")


def confirm(*, email: str, code: str, address: str) -> None:
    """Confirm a registration by the code that was mailed.

    Raises:
        WrongCode: see `codes.spend_code`.
        Invalid, TooLong, RateLimited, Unavailable: as for `register`.
    """
    email = normal_email(email)
    count_code(email, address)
    with transaction.atomic():
        user = User.objects.select_for_update().filter(email=email).first()
        confirmed = UserStatus.objects.filter(user=user, verified=False).update(verified=True) if user else 0
        use_code(Purpose.CONFIRMATION, email, code, user if confirmed else None)


def _lock_or_create(email: str, hashed_password: str, language: str) -> User:
    try:
        with transaction.atomic():
            # A signal of gqlauth's makes the status, unconfirmed.
            user = User.objects.create(email=email, password=hashed_password, language=language)
    except IntegrityError:
        # Somebody has registered it, perhaps at this very moment.
        known = User.objects.select_for_update().filter(email=email).first()
        if known is None:
            # And deleted it again.
            raise Unavailable("This address is being changed. Try again in a moment.") from None
        return known
    return user
