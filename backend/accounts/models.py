"""People: customers and staff, known by their e-mail address."""

import uuid
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models.functions import Lower, Now
from django.utils import timezone

from backend.accounts.emails import normal_email
from backend.core.errors import ShopError

# Of accounts; sessions ask the same of theirs.
MAY_LOG_IN = models.Q(is_active=True, status__verified=True, status__archived=False)


class LowercaseEmailField(models.EmailField):
    """An e-mail address kept in lower case, so that a plain unique index ignores case.

    Forms and commands that clean it get the one spelling that the services use.
    """

    def clean(self, value: Any, model_instance: models.Model | None) -> Any:
        try:
            return super().clean(normal_email(value) if value else value, model_instance)
        except ShopError as error:
            raise ValidationError(error.message) from None

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        return value.lower() if isinstance(value, str) else value


class UserManager(BaseUserManager["User"]):
    """Makes users."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Save and return a user whose address needs no confirmation; without a password, none fits.

        Raises:
            Invalid, TooLong: see `normal_email`.
        """
        user = self.model(email=normal_email(email), **fields)
        user.set_password(password)
        with transaction.atomic(using=self._db):
            user.save(using=self._db)
            # A signal of gqlauth's has made one already, unconfirmed.
            user.status, _ = apps.get_model("gqlauth", "UserStatus").objects.update_or_create(
                user=user, defaults={"verified": True}
            )
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Save and return a user who may do everything in the admin."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """Somebody who can log in; the e-mail address is the login, unique without regard to case."""

    email = LowercaseEmailField(max_length=254, unique=True)
    name = models.CharField(max_length=150, blank=True)
    language = models.CharField(max_length=2, choices=settings.LANGUAGES, default="en")
    is_staff = models.BooleanField("may enter the admin", default=False)
    is_active = models.BooleanField(default=True)
    date_joined = models.DateTimeField(default=timezone.now, editable=False)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(email=Lower("email")), name="user_email_lowercase")
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def is_confirmed(self) -> bool:
        """Whether the address is known to be this person's."""
        status = getattr(self, "status", None)
        return status is not None and status.verified

    @property
    def is_archived(self) -> bool:
        """Whether the account has been put away: it stays, and nobody can log in."""
        status = getattr(self, "status", None)
        return status is not None and status.archived


class PasswordDigest(models.Func):
    """`digest_secret` an account's password hash, worked out by the database."""

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
    """A login on one device: the family of refresh tokens that follow each other by rotation.

    Only the digest of the newest refresh token is kept. An older one names the session without
    fitting it, which shows that it was stolen or repeated, and ends the session. Access tokens name
    their session too, so that they end with it. It holds for the password that opened it: whoever sets
    another, by whatever way, ends it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="sessions")
    refresh_digest = models.CharField(max_length=64)
    password_digest = models.CharField(max_length=64, help_text="Of the hash that the account had.")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(db_index=True)

    objects = SessionQuerySet.as_manager()

    def __str__(self) -> str:
        return f"Session of {self.user_id} since {self.created_at:%Y-%m-%d}"
