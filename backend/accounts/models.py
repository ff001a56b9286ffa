"""Accounts of customers and staff, and their login sessions."""

import uuid
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models.functions import Lower, Now, Upper
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backend.accounts.email_addresses import normalize_email
from backend.accounts.password_hashing import matches_hash, prepare_password
from backend.core.errors import ShopError
from backend.core.identifiers import encode_global_id
from backend.core.text import CleanCharField

# The condition for accounts; `SessionQuerySet.open` has the same condition for sessions.
MAY_LOG_IN = models.Q(is_active=True, status__verified=True, status__archived=False)


class LowercaseEmailField(models.EmailField):
    """An e-mail address stored in lower case, so that a plain unique index ignores case.

    Forms and commands that clean it normalize the address as the services do.
    """

    def clean(self, value: Any, model_instance: models.Model | None) -> Any:
        try:
            return super().clean(normalize_email(value) if value else value, model_instance)
        except ShopError as error:
            raise ValidationError(error.message) from None

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        return value.lower() if isinstance(value, str) else value


class UserManager(BaseUserManager["User"]):
    """Creates users without the registration process."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create a user with a confirmed address. Without a password, the user cannot log in.

        Raises:
            Invalid, TooLong: see `normalize_email`.
        """
        user = self.model(email=normalize_email(email), **fields)
        user.set_password(password)
        with transaction.atomic(using=self._db):
            user.save(using=self._db)
            # A signal handler of gqlauth has created an unconfirmed status.
            user.status, _ = apps.get_model("gqlauth", "UserStatus").objects.update_or_create(
                user=user, defaults={"verified": True}
            )
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create a user with all permissions in the admin."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """An account of a customer or a staff member. The e-mail address is the login."""

    email = LowercaseEmailField(max_length=254, unique=True)
    name = CleanCharField(max_length=150, blank=True)
    language = models.CharField(
        max_length=2,
        choices=settings.LANGUAGES,
        blank=True,
        default="",
        help_text=_("Language of messages and mails. If empty, messages follow the browser."),
    )
    is_staff = models.BooleanField("staff status", default=False)
    is_active = models.BooleanField(default=True)
    date_joined = models.DateTimeField(default=timezone.now, editable=False)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(email=Lower("email")), name="user_email_lowercase")
        ]
        # For the search in the admin of accounts and orders.
        indexes = [GinIndex(OpClass(Upper("name"), name="gin_trgm_ops"), name="user_name_trigrams")]

    def __str__(self) -> str:
        return self.email

    def set_password(self, raw_password: str | None) -> None:
        """Set the hash of a password, or with None one that no password matches. Does not save."""
        super().set_password(raw_password if raw_password is None else prepare_password(raw_password))

    def check_password(self, raw_password: str | None) -> bool:
        """Return whether a password is correct, and upgrade its hash if it is outdated."""

        def upgrade(prepared: str) -> None:
            self.set_password(prepared)
            # Validators are not notified: the password is not new.
            self._password = None
            self.save(update_fields=["password"])

        return raw_password is not None and matches_hash(raw_password, self.password, upgrade)

    @property
    def global_id(self) -> str:
        """The opaque id in GraphQL."""
        return encode_global_id("User", self.pk)

    @property
    def is_confirmed(self) -> bool:
        """True if the owner has confirmed the e-mail address."""
        status = getattr(self, "status", None)
        return status is not None and status.verified

    @property
    def is_archived(self) -> bool:
        """True if the account is archived: it is kept, but its owner cannot log in."""
        status = getattr(self, "status", None)
        return status is not None and status.archived


class PasswordDigest(models.Func):
    """The same digest as `digest_secret`, computed by PostgreSQL."""

    template = "encode(sha256(convert_to(%(expressions)s, 'UTF8')), 'hex')"
    output_field = models.CharField()


class SessionQuerySet(models.QuerySet["Session"]):
    def open(self) -> "SessionQuerySet":
        """Return the sessions that are neither expired nor ended by a change of their account."""
        return self.filter(
            expires_at__gt=Now(),
            password_digest=PasswordDigest("user__password"),
            user__is_active=True,
            user__status__verified=True,
            user__status__archived=False,
        )


class Session(models.Model):
    """A login on one device, with a rotating refresh token.

    Only the digest of the newest refresh token is stored. An older token of the session proves that a token
    was stolen or reused, and ends the session (see RFC 9700, section 4.14.2). The last one before the newest
    is accepted for a few seconds, because two browser tabs often refresh the same token at the same time.
    Access tokens contain the session id, so they end with the session. The session is valid for the password
    that opened it: any change of the password ends it, also in the admin.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="sessions")
    refresh_digest = models.CharField(max_length=64)
    password_digest = models.CharField(
        max_length=64, help_text=_("Digest of the password hash at the time of the login.")
    )
    created_at = models.DateTimeField(default=timezone.now)
    refreshed_at = models.DateTimeField(
        null=True, help_text=_("Time of the last refresh; null before the first.")
    )
    expires_at = models.DateTimeField(db_index=True)

    objects = SessionQuerySet.as_manager()

    def __str__(self) -> str:
        return _("Session since %(date)s") % {"date": f"{self.created_at:%Y-%m-%d}"}
