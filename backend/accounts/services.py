"""Registration, login and what people change about themselves."""

import unicodedata
import uuid
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils import timezone
from gqlauth.models import UserStatus
from limits import parse_many

from backend.accounts import tokens
from backend.accounts.codes import Purpose, WrongCode, may_send_code, spend_code
from backend.accounts.models import Session, User
from backend.core.errors import ErrorCode, Invalid, ShopError, TooLong, Unauthenticated, Unavailable
from backend.core.throttling import count_try, forget_tries
from backend.core.viewer import Viewer
from backend.notifications.services import queue_email

MAX_EMAIL_LENGTH = 254
MAX_PASSWORD_LENGTH = 256
MAX_NAME_LENGTH = 150

_WRONG_LOGIN = "The e-mail or the password is wrong, or the address is not confirmed yet."

# Longer windows allow little more than shorter ones, so who goes on trying waits ever longer.
LOGIN_PER_ACCOUNT = parse_many("5/minute; 10/15 minutes; 20/hour; 50/day")
LOGIN_PER_ADDRESS = parse_many("20/minute; 100/15 minutes; 300/hour")
CODES_PER_ACCOUNT = parse_many("10/hour")
CODES_PER_ADDRESS = parse_many("30/15 minutes; 60/hour")
MAIL_PER_ACCOUNT = parse_many("5/hour; 10/day")
MAIL_PER_ADDRESS = parse_many("20/hour; 60/day")


class WrongCredentials(ShopError):
    """There is no such account with this password."""

    code = ErrorCode.WRONG_CREDENTIALS


class WeakPassword(ShopError):
    """Django's password validators refuse the password."""

    code = ErrorCode.WEAK_PASSWORD


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a client keeps of a login.

    Attributes:
        expires_in: seconds for which the access token is good.
    """

    access_token: str
    refresh_token: str
    expires_in: int
    user: User


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
    email = _check_email(email)
    _check_language(language)
    _check_password(password, User(email=email), field="password")
    _count_mail(email, address)
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
    _mail_code(Purpose.CONFIRMATION, email, address, confirmed=False, task="accounts.send_confirmation_code")


def confirm(*, email: str, code: str, address: str) -> None:
    """Confirm a registration by the code that was mailed.

    Raises:
        WrongCode: see `codes.spend_code`.
        Invalid, TooLong, RateLimited, Unavailable: as for `register`.
    """
    email = _check_email(email)
    _count_code(email, address)
    with transaction.atomic():
        user = User.objects.select_for_update().filter(email=email).first()
        confirmed = UserStatus.objects.filter(user=user, verified=False).update(verified=True) if user else 0
        _spend_code(Purpose.CONFIRMATION, email, code, user if confirmed else None)


def log_in(*, email: str, password: str, address: str) -> TokenPair:
    """Open a session.

    Raises:
        WrongCredentials: unknown address, wrong password, deactivated or unconfirmed account, all
            alike: who registers an address and logs in would learn whether it was known.
        RateLimited: too many tries on this account or from this address.
        Unavailable: Redis does not answer.
    """
    email = _check_email(email)
    count_try(LOGIN_PER_ADDRESS, "login-address", address)
    count_try(LOGIN_PER_ACCOUNT, "login", email)
    user = User.objects.select_related("status").filter(email=email).first()
    if user is None:
        # As long as the check of a real password takes.
        make_password(password[:MAX_PASSWORD_LENGTH])
    if user is None or not _fits(user, password) or not user.is_active or not user.is_confirmed:
        raise WrongCredentials(_WRONG_LOGIN, field="email")
    forget_tries(LOGIN_PER_ACCOUNT, "login", email)
    with transaction.atomic():
        locked = _lock_user(user, field="email", message=_WRONG_LOGIN)
        if locked is None or not locked.is_active:
            raise WrongCredentials(_WRONG_LOGIN, field="email")
        User.objects.filter(pk=user.pk).update(last_login=timezone.now())
        return _open_session(user)


def refresh(*, refresh_token: str) -> TokenPair:
    """Give new tokens for a refresh token, which is then used up.

    A token that was used before ends its session: one of the two who had it stole it.

    Raises:
        TokenInvalid: it is unknown, used, expired, or its account is gone.
    """
    session_id, digest = tokens.read_refresh_token(refresh_token)
    renewed, renewed_digest = tokens.make_refresh_token(session_id)
    with transaction.atomic():
        session = (
            Session.objects.select_for_update(of=["self"])
            .select_related("user")
            .filter(
                pk=session_id,
                expires_at__gt=timezone.now(),
                user__is_active=True,
                user__status__verified=True,
            )
            .first()
        )
        if session is not None and tokens.same_digest(session.refresh_digest, digest):
            session.refresh_digest = renewed_digest
            session.expires_at = timezone.now() + settings.REFRESH_TOKEN_LIFETIME
            session.save(update_fields=["refresh_digest", "expires_at"])
            return _pair(session, renewed)
        Session.objects.filter(pk=session_id).delete()
    raise tokens.TokenInvalid("The refresh token is not valid. Log in again.", field="refresh_token")


def log_out(*, viewer: Viewer) -> None:
    """End the viewer's session; its tokens are good for nothing from now on.

    Raises:
        Unauthenticated: nobody is logged in.
    """
    _, session_id = _signed_in(viewer)
    Session.objects.filter(pk=session_id).delete()


def log_out_everywhere(*, viewer: Viewer) -> None:
    """End every session of the viewer, this one too.

    Raises:
        Unauthenticated: nobody is logged in.
    """
    user_id, _ = _signed_in(viewer)
    Session.objects.filter(user_id=user_id).delete()


def change_password(*, viewer: Viewer, old_password: str, new_password: str) -> None:
    """Set a new password and end the viewer's other sessions.

    Raises:
        Unauthenticated: nobody is logged in.
        WrongCredentials: the old password is wrong.
        WeakPassword, TooLong: the new one is not fit.
        RateLimited: too many tries at the old one.
    """
    user_id, session_id = _signed_in(viewer)
    user = _account(user_id)
    _require_password(user, old_password, field="old_password")
    _check_password(new_password, user, field="new_password")
    hashed = make_password(new_password)
    with transaction.atomic():
        if _lock_user(user, field="old_password") is None:
            raise _logged_out()
        User.objects.filter(pk=user.pk).update(password=hashed)
        Session.objects.filter(user=user).exclude(pk=session_id).delete()


def request_password_reset(*, email: str, address: str) -> None:
    """Mail a code for a new password to the owner of a confirmed account; the caller learns nothing.

    Raises:
        Invalid, TooLong, RateLimited, Unavailable: as for `register`.
    """
    _mail_code(
        Purpose.PASSWORD_RESET, email, address, confirmed=True, task="accounts.send_password_reset_code"
    )


def reset_password(*, email: str, code: str, new_password: str, address: str) -> None:
    """Set a new password by the code that was mailed, and end every session.

    Raises:
        WeakPassword, TooLong: the new password is not fit; the code stays good.
        WrongCode: see `codes.spend_code`.
        Invalid, RateLimited, Unavailable: as for `register`.
    """
    email = _check_email(email)
    _check_password(new_password, User(email=email), field="new_password")
    _count_code(email, address)
    # Before the row is locked, and for unknown addresses too: it takes its time.
    hashed = make_password(new_password)
    with transaction.atomic():
        user = User.objects.select_for_update().filter(email=email).first()
        if user is not None and not UserStatus.objects.filter(user=user, verified=True).exists():
            user = None
        if user is not None:
            User.objects.filter(pk=user.pk).update(password=hashed)
            Session.objects.filter(user=user).delete()
        _spend_code(Purpose.PASSWORD_RESET, email, code, user)


def update_account(*, viewer: Viewer, name: str | None = None, language: str | None = None) -> User:
    """Change what the viewer told about themselves and return the account; None leaves a thing.

    Raises:
        Unauthenticated: nobody is logged in.
        Invalid, TooLong: for what is not fit.
    """
    user_id, _ = _signed_in(viewer)
    changes = {}
    if name is not None:
        if len(name) > MAX_NAME_LENGTH:
            raise TooLong(f"A name has at most {MAX_NAME_LENGTH} characters.", field="name")
        if any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in name):
            raise Invalid("A name is one line without control characters.", field="name")
        changes["name"] = name.strip()
    if language is not None:
        _check_language(language)
        changes["language"] = language
    if changes:
        User.objects.filter(pk=user_id).update(**changes)
    return _account(user_id)


def delete_account(*, viewer: Viewer, password: str) -> None:
    """Delete the viewer's account and everything that is personal.

    Raises:
        Unauthenticated: nobody is logged in.
        WrongCredentials: the password is wrong.
        RateLimited: too many tries at it.
    """
    user_id, _ = _signed_in(viewer)
    user = _account(user_id)
    _require_password(user, password, field="password")
    with transaction.atomic():
        if _lock_user(user, field="password") is None:
            raise _logged_out()
        user.delete()


def _open_session(user: User) -> TokenPair:
    session = Session(user=user, expires_at=timezone.now() + settings.REFRESH_TOKEN_LIFETIME)
    refresh_token, session.refresh_digest = tokens.make_refresh_token(session.pk)
    session.save(force_insert=True)
    return _pair(session, refresh_token)


def _pair(session: Session, refresh_token: str) -> TokenPair:
    return TokenPair(
        access_token=tokens.make_access_token(user_id=session.user_id, session_id=session.pk),
        refresh_token=refresh_token,
        expires_in=int(settings.ACCESS_TOKEN_LIFETIME.total_seconds()),
        user=session.user,
    )


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


def _spend_code(purpose: Purpose, email: str, code: str, user: User | None) -> None:
    """Use a code up; last in its transaction, so that what fails before leaves the code good.

    Args:
        user: whom it is for, locked, as read before the change; None lets no code fit.

    Raises:
        WrongCode, Unavailable: the transaction is rolled back.
    """
    spend_code(purpose, email, code, user.password if user is not None else "")
    if user is None:
        raise WrongCode("There is nothing that this code could be for.", field="code")


def _mail_code(purpose: Purpose, email: str, address: str, *, confirmed: bool, task: str) -> None:
    email = _check_email(email)
    _count_mail(email, address)
    if not may_send_code(purpose, email):
        return
    user = User.objects.filter(email=email, is_active=True, status__verified=confirmed).first()
    if user is not None:
        with transaction.atomic():
            queue_email(task=task, recipient=email, language=user.language)


def _count_mail(email: str, address: str) -> None:
    count_try(MAIL_PER_ADDRESS, "mail-address", address)
    count_try(MAIL_PER_ACCOUNT, "mail", email)


def _count_code(email: str, address: str) -> None:
    count_try(CODES_PER_ADDRESS, "code-address", address)
    count_try(CODES_PER_ACCOUNT, "code", email)


def _signed_in(viewer: Viewer) -> tuple[int, uuid.UUID]:
    """Return the viewer's account and session."""
    if viewer.user_id is None or viewer.session_id is None:
        raise Unauthenticated("Log in first.")
    return viewer.user_id, viewer.session_id


def _account(user_id: int) -> User:
    """Return the viewer's account, which another part of the same request may have deleted."""
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise _logged_out()
    return user


def _logged_out() -> Unauthenticated:
    return Unauthenticated("This account is no more.")


def _lock_user(checked: User, *, field: str, message: str = "The password is wrong.") -> User | None:
    """Lock an account whose password has been checked; None if it is gone.

    Checking takes long, and no lock is held for it: another password may have been set meanwhile.

    Raises:
        WrongCredentials: it has, so what was checked is not the password any more.
    """
    user = User.objects.select_for_update().filter(pk=checked.pk).first()
    if user is not None and user.password != checked.password:
        raise WrongCredentials(message, field=field)
    return user


def _fits(user: User, password: str) -> bool:
    """Check a password; a hash of an old kind is renewed, unless another password has been set."""

    def renew(password: str) -> None:
        renewed = make_password(password)
        if User.objects.filter(pk=user.pk, password=user.password).update(password=renewed):
            user.password = renewed

    return check_password(password[:MAX_PASSWORD_LENGTH], user.password, renew)


def _require_password(user: User, password: str, *, field: str) -> None:
    count_try(LOGIN_PER_ACCOUNT, "login", user.email)
    if not _fits(user, password):
        raise WrongCredentials("The password is wrong.", field=field)


def _check_email(email: str) -> str:
    given = email.strip()
    email = given.lower()
    if len(email) > MAX_EMAIL_LENGTH:
        raise TooLong(f"An e-mail address has at most {MAX_EMAIL_LENGTH} characters.", field="email")
    try:
        validate_email(email)
        local, _, domain = email.rpartition("@")
        ascii_domain = domain.encode("idna").decode("ascii")
        shown_domain = ascii_domain.encode("ascii").decode("idna")
    except (ValidationError, UnicodeError):
        raise Invalid("This is not an e-mail address.", field="email") from None
    # What mail would take for another spelling of an address could be registered, and written to, at will.
    # Nor does lower case tell the letters of all alphabets apart as a mail server would.
    if not given.rpartition("@")[0].isascii():
        raise Invalid("The part before the @ has Latin letters, digits and signs only.", field="email")
    if domain not in (ascii_domain, shown_domain) or "[" in domain or '"' in local or "=?" in local:
        raise Invalid("Write the e-mail address in its plain form.", field="email")
    return f"{local}@{shown_domain}"


def _check_language(language: str) -> None:
    known = [code for code, _ in settings.LANGUAGES]
    if language not in known:
        raise Invalid(f"A language is one of {', '.join(known)}.", field="language")


def _check_password(password: str, user: User, *, field: str) -> None:
    if len(password) > MAX_PASSWORD_LENGTH:
        raise TooLong(f"A password has at most {MAX_PASSWORD_LENGTH} characters.", field=field)
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise WeakPassword(" ".join(error.messages), field=field) from None
