"""What is forgotten once nobody needs it."""

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from backend.accounts.models import PasswordDigest, Session, User
from backend.core.batches import delete_in_batches

UNCONFIRMED_KEPT_FOR = timedelta(days=7)


def forget_ended_sessions() -> int:
    """Delete the sessions that are over or hold for an old password, and return how many."""
    current = Q(expires_at__gt=timezone.now(), password_digest=PasswordDigest("user__password"))
    return delete_in_batches(Session.objects.filter(~current))


def forget_unconfirmed_accounts() -> int:
    """Delete the accounts that nobody has confirmed since they were last registered; return how many."""
    return delete_in_batches(
        User.objects.filter(
            date_joined__lte=timezone.now() - UNCONFIRMED_KEPT_FOR,
            last_login=None,
            is_staff=False,
            is_superuser=False,
            status__verified=False,
        )
    )
