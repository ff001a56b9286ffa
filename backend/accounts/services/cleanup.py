"""Delete ended sessions and unconfirmed accounts."""

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from backend.accounts.models import PasswordDigest, Session, User
from backend.core.db import delete_in_batches

UNCONFIRMED_RETENTION = timedelta(days=7)


def delete_ended_sessions() -> int:
    """Delete the sessions that have expired or whose password has changed. Return their number."""
    current = Q(expires_at__gt=timezone.now(), password_digest=PasswordDigest("user__password"))
    return delete_in_batches(Session.objects.filter(~current))


def delete_unconfirmed_accounts() -> int:
    """Delete the accounts that stay unconfirmed after their last registration. Return their number."""
    return delete_in_batches(
        User.objects.filter(
            date_joined__lte=timezone.now() - UNCONFIRMED_RETENTION,
            last_login=None,
            is_staff=False,
            is_superuser=False,
            status__verified=False,
        )
    )
