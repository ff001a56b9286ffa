"""Changes of accounts run again after a deadlock."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import OperationalError

from backend.accounts import services
from backend.accounts.codes import Purpose
from backend.accounts.models import Session, User
from backend.accounts.services import TokenPair
from backend.accounts.tokens import read_refresh_token
from backend.core.db import MAX_ATTEMPTS
from backend.core.viewer import Viewer
from backend.notifications.models import OutgoingEmail
from tests.accounts.cases import (
    OTHER_PASSWORD,
    PASSWORD,
    ThreadCase,
    log_in,
    make_unconfirmed_user,
    make_user,
    new_code,
)
from tests.concurrency.deadlocks import count_deadlocks, count_retries, deadlocks, without_retries

EMAIL = "vera@example.com"
ADDRESS = "192.0.2.1"
SERVICES = "backend.accounts.services"


def lock_account() -> None:
    User.objects.select_for_update().get(email=EMAIL)


def lock_session() -> None:
    Session.objects.select_for_update().get()


def register(password: str) -> None:
    services.register_account(email=EMAIL, password=password, language="en", address=ADDRESS)


class AccountRetriesTest(ThreadCase):
    def assert_retried(self, run: Callable[[], Any], target: str, lock: Callable[[], None]) -> Any:
        """Assert that a call fails without retries, and succeeds with them after two deadlocks.

        Args:
            target: a function that the transaction calls while it holds the lock, see `deadlocks`.
        """
        with without_retries(), deadlocks(target, lock, times=1), pytest.raises(OperationalError):
            run()
        before, retries = count_deadlocks(), count_retries()
        with deadlocks(target, lock, times=2):
            result = run()
        assert count_deadlocks() == before + 2
        assert count_retries() == retries + 2
        return result

    def change_password(self, pair: TokenPair) -> None:
        session_id, _ = read_refresh_token(pair.refresh_token)
        services.change_password(
            viewer=Viewer(user_id=pair.user.pk, session_id=session_id),
            old_password=PASSWORD,
            new_password=OTHER_PASSWORD,
        )

    def test_registration_is_retried(self) -> None:
        make_unconfirmed_user(EMAIL)
        self.assert_retried(
            partial(register, OTHER_PASSWORD), f"{SERVICES}.registration.enqueue_email", lock_account
        )
        assert User.objects.get().check_password(OTHER_PASSWORD)
        assert OutgoingEmail.objects.count() == 1

    def test_confirmation_is_retried_with_its_code(self) -> None:
        make_unconfirmed_user(EMAIL)
        code = new_code(Purpose.CONFIRMATION, EMAIL)
        self.assert_retried(
            lambda: services.confirm_registration(email=EMAIL, code=code, address=ADDRESS),
            f"{SERVICES}.registration.redeem_account_code",
            lock_account,
        )
        assert User.objects.get().is_confirmed

    def test_password_change_is_retried(self) -> None:
        pair = log_in(make_user(EMAIL))
        log_in(pair.user)
        self.assert_retried(
            partial(self.change_password, pair), f"{SERVICES}.passwords.digest_secret", lock_account
        )
        assert User.objects.get().check_password(OTHER_PASSWORD)
        assert Session.objects.open().count() == 1

    def test_password_reset_is_retried_with_its_code(self) -> None:
        log_in(make_user(EMAIL))
        code = new_code(Purpose.PASSWORD_RESET, EMAIL)
        self.assert_retried(
            lambda: services.reset_password(
                email=EMAIL, code=code, new_password=OTHER_PASSWORD, address=ADDRESS
            ),
            f"{SERVICES}.passwords.redeem_account_code",
            lock_account,
        )
        assert User.objects.get().check_password(OTHER_PASSWORD)
        assert not Session.objects.exists()

    def test_login_is_retried(self) -> None:
        make_user(EMAIL)
        self.assert_retried(
            lambda: services.log_in(email=EMAIL, password=PASSWORD, address=ADDRESS),
            f"{SERVICES}.sessions.open_session",
            lock_account,
        )
        assert Session.objects.count() == 1

    def test_refresh_is_retried_and_its_token_is_usable(self) -> None:
        pair = log_in(make_user(EMAIL))
        new_pair = self.assert_retried(
            lambda: services.refresh_session(refresh_token=pair.refresh_token, address=ADDRESS),
            f"{SERVICES}.sessions._make_token_pair",
            lock_session,
        )
        services.refresh_session(refresh_token=new_pair.refresh_token, address=ADDRESS)

    def test_both_apis_report_a_conflict_after_the_last_attempt(self) -> None:
        make_unconfirmed_user(EMAIL)
        for api in self.apis:
            target = f"{SERVICES}.registration.enqueue_email"
            with self.subTest(api.name):
                with deadlocks(target, lock_account, times=MAX_ATTEMPTS):
                    assert api.register(EMAIL, OTHER_PASSWORD).code == "CONFLICT"
                assert User.objects.get().check_password(PASSWORD)
