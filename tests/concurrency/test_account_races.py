"""Parallel requests for one account, each with a twin that shows the race without the guard."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from threading import Barrier, Event
from typing import Any
from unittest import mock

from django.db import IntegrityError, connection
from django.db.models import QuerySet
from django.test import override_settings

from backend.accounts import codes, services
from backend.accounts.codes import MAX_ATTEMPTS, Purpose, WrongCode, create_code
from backend.accounts.models import Session, User
from backend.accounts.services import TokenPair, WrongCredentials, cleanup
from backend.accounts.tokens import TokenInvalid, read_refresh_token
from backend.core.redis import get_redis_client
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
    new_message_id,
    run_in_parallel,
)
from tests.concurrency.actors import MAX_SECONDS, Actor

EMAIL = "vera@example.com"
ADDRESS = "192.0.2.1"
SERVICES = "backend.accounts.services"

confirm = partial(services.confirm_registration, email=EMAIL, address=ADDRESS)
reset = partial(services.reset_password, email=EMAIL, new_password=OTHER_PASSWORD, address=ADDRESS)


def register(password: str) -> None:
    services.register_account(email=EMAIL, password=password, language="en", address=ADDRESS)


def log_in_with(password: str) -> TokenPair:
    return services.log_in(email=EMAIL, password=password, address=ADDRESS)


def refresh(pair: TokenPair) -> TokenPair:
    return services.refresh_session(refresh_token=pair.refresh_token, address=ADDRESS)


def get_error_type(call: Callable[[], Any]) -> type[Exception] | None:
    """Return the type of the exception that a call raises, or None."""
    try:
        call()
    except Exception as error:
        return type(error)
    return None


class PausedCall:
    """A call in a thread that pauses at a function until `finish`."""

    def __init__(self, call: Callable[[], Any], target: str, *, after: bool = False) -> None:
        self._call, self._after = call, after
        self._reached, self._resumed = Event(), Event()
        self._patch = mock.patch(target, autospec=True, side_effect=self._run_with_pause)

    def __enter__(self) -> "PausedCall":
        self._function = self._patch.get_original()[0]
        self._patch.start()
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._future = self._thread.submit(self._run)
        assert self._reached.wait(MAX_SECONDS)
        self._patch.stop()
        return self

    def __exit__(self, *error: object) -> None:
        self._resumed.set()
        self._thread.shutdown()

    def finish(self) -> type[Exception] | None:
        """Resume the call and return the type of the exception that it raises, or None."""
        self._resumed.set()
        return get_error_type(partial(self._future.result, MAX_SECONDS))

    def _run_with_pause(self, *arguments: Any, **options: Any) -> Any:
        if self._after:
            result = self._function(*arguments, **options)
        self._reached.set()
        assert self._resumed.wait(MAX_SECONDS)
        return result if self._after else self._function(*arguments, **options)

    def _run(self) -> Any:
        try:
            return self._call()
        finally:
            connection.close()


def without_locks() -> Any:
    """Turn every SELECT ... FOR UPDATE into a plain SELECT."""
    return mock.patch.object(QuerySet, "select_for_update", lambda rows, **options: rows)


@contextmanager
def without_conditions(*names: str) -> Iterator[None]:
    """Remove conditions with these names from all queries."""
    original = QuerySet.filter

    def filter_without_conditions(rows: QuerySet, *conditions: Any, **named: Any) -> QuerySet:
        return original(
            rows, *conditions, **{name: value for name, value in named.items() if name not in names}
        )

    with mock.patch.object(QuerySet, "filter", filter_without_conditions):
        yield


def redeem_in_steps(wait_for_all_reads: Callable[[], Any]) -> Callable[..., None]:
    """Return a `redeem_code` without the script: read, compare, write."""

    def redeem(purpose: Purpose, email: str, code: str, password_hash: str) -> None:
        key = codes._make_key(purpose, email)
        digest, attempts = get_redis_client().hmget(key, "digest", "attempts")
        wait_for_all_reads()
        is_correct = digest is not None and digest.decode() == codes._compute_digest(
            purpose, email, code, password_hash
        )
        if not is_correct or int(attempts) >= MAX_ATTEMPTS:
            get_redis_client().hset(key, "attempts", int(attempts or 0) + 1)
            raise WrongCode("Wrong code.")
        get_redis_client().delete(key)

    return redeem


class ConfirmAndRegisterTest(ThreadCase):
    """A code confirms only the password that it was sent for."""

    def setUp(self) -> None:
        super().setUp()
        make_unconfirmed_user(EMAIL)
        self.code = new_code(Purpose.CONFIRMATION, EMAIL)

    def pause_confirmation(self) -> PausedCall:
        """Confirm, and pause after the account has been read."""
        return PausedCall(
            partial(confirm, code=self.code), "django.db.models.query.QuerySet.first", after=True
        )

    def account(self) -> tuple[bool, bool]:
        """Return whether the account is confirmed and whether its password is the first one."""
        user = User.objects.get()
        return user.is_confirmed, user.check_password(PASSWORD)

    def test_registration_waits_for_a_confirmation(self) -> None:
        with (
            self.pause_confirmation() as confirming,
            Actor() as registering,
        ):
            registered = registering.start(register, OTHER_PASSWORD)
            assert registering.waits()
            assert confirming.finish() is None
            registered.result(MAX_SECONDS)
            registering.commit()
        assert self.account() == (True, True)
        assert OutgoingEmail.objects.get().task == "accounts.send_already_registered"

    def test_confirmation_waits_for_a_registration(self) -> None:
        with Actor() as registering, Actor() as confirming:
            registering.do(register, OTHER_PASSWORD)
            confirmed = confirming.start(partial(get_error_type, partial(confirm, code=self.code)))
            assert confirming.waits()
            registering.commit()
            assert confirmed.result(MAX_SECONDS) is WrongCode
        assert self.account() == (False, False)

    def test_without_the_lock_the_password_of_another_person_is_confirmed(self) -> None:
        with (
            without_locks(),
            self.pause_confirmation() as confirming,
        ):
            register(OTHER_PASSWORD)
            assert confirming.finish() is None
        assert self.account() == (True, False)


class LoginAndResetTest(ThreadCase):
    """A reset leaves no session of the old password."""

    def setUp(self) -> None:
        super().setUp()
        make_user(EMAIL)
        self.code = new_code(Purpose.PASSWORD_RESET, EMAIL)

    def log_in_during_the_reset(self) -> type[Exception] | None:
        """Reset the password between the check of the old one and the creation of the session."""
        with PausedCall(
            partial(log_in_with, PASSWORD), f"{SERVICES}.sessions.check_password", after=True
        ) as logging_in:
            reset(code=self.code)
            return logging_in.finish()

    def test_login_checked_before_a_reset_is_refused(self) -> None:
        assert self.log_in_during_the_reset() is WrongCredentials
        assert not Session.objects.exists()

    def test_reset_waits_for_a_login_and_ends_its_session(self) -> None:
        with Actor() as logging_in, Actor() as resetting:
            logging_in.do(log_in_with, PASSWORD)
            done = resetting.start(reset, code=self.code)
            assert resetting.waits()
            logging_in.commit()
            done.result(MAX_SECONDS)
            resetting.commit()
        assert not Session.objects.exists()

    def test_without_the_condition_the_session_is_created_but_ended(self) -> None:
        with without_conditions("password"):
            assert self.log_in_during_the_reset() is None
        assert Session.objects.exists()
        assert not Session.objects.open().exists()

    def test_without_both_guards_the_old_password_opens_a_session(self) -> None:
        with without_conditions("password", "password_digest"):
            assert self.log_in_during_the_reset() is None
            assert Session.objects.open().exists()


class ParallelRegistrationTest(ThreadCase):
    """Parallel registrations of an address create one account and one mail; the last password applies."""

    def test_second_registration_waits_and_sets_the_password(self) -> None:
        with Actor() as first, Actor() as second:
            first.do(register, PASSWORD)
            registered = second.start(register, OTHER_PASSWORD)
            assert second.waits()
            first.commit()
            registered.result(MAX_SECONDS)
            second.commit()
        assert User.objects.get().check_password(OTHER_PASSWORD)
        assert OutgoingEmail.objects.get().task == "accounts.send_confirmation_code"
        confirm(code=new_code(Purpose.CONFIRMATION, EMAIL))
        assert get_error_type(partial(log_in_with, OTHER_PASSWORD)) is None
        assert get_error_type(partial(log_in_with, PASSWORD)) is WrongCredentials

    def test_registrations_in_many_threads_create_one_account(self) -> None:
        passwords = [f"{PASSWORD} {number}" for number in range(5)]
        assert run_in_parallel([partial(register, password) for password in passwords]) == [None] * 5
        assert OutgoingEmail.objects.count() == 1
        user = User.objects.get()
        assert sum(user.check_password(password) for password in passwords) == 1
        confirm(code=new_code(Purpose.CONFIRMATION, EMAIL))

    def test_without_the_upsert_the_second_registration_fails(self) -> None:
        original = QuerySet.bulk_create
        plain = mock.patch.object(QuerySet, "bulk_create", lambda rows, objs, **options: original(rows, objs))
        with plain, Actor() as first, Actor() as second:
            first.do(register, PASSWORD)
            registered = second.start(get_error_type, partial(register, OTHER_PASSWORD))
            first.commit()
            assert registered.result(MAX_SECONDS) is IntegrityError


class ParallelRefreshTest(ThreadCase):
    def setUp(self) -> None:
        super().setUp()
        self.user = make_user(EMAIL)
        self.pair = log_in(self.user)

    def refresh_twice(self) -> list[type[Exception] | None]:
        """Refresh after another refresh with the same token has read the session."""
        with self.pause_refresh() as first, Actor() as second:
            refreshed = second.start(get_error_type, partial(refresh, self.pair))
            results = [first.finish(), refreshed.result(MAX_SECONDS)]
            second.commit()
        return results

    def pause_refresh(self) -> PausedCall:
        """Refresh, and pause after the session has been read."""
        return PausedCall(partial(refresh, self.pair), f"{SERVICES}.sessions.compare_digest")

    def test_parallel_refreshes_return_the_same_usable_token(self) -> None:
        pairs: list[TokenPair] = []
        calls = [lambda: pairs.append(refresh(self.pair))] * 8
        assert run_in_parallel(calls) == [None] * 8
        assert len({pair.refresh_token for pair in pairs}) == 1
        for pair in pairs:
            assert self.rest.read(f"Bearer {pair.access_token}").code is None
        assert get_error_type(partial(refresh, pairs[0])) is None

    def test_second_refresh_waits_for_the_first(self) -> None:
        assert self.refresh_twice() == [None, None]
        assert Session.objects.exists()

    def test_second_refresh_after_the_interval_ends_the_session(self) -> None:
        with override_settings(REFRESH_REUSE_INTERVAL=timedelta(0)):
            assert Counter(self.refresh_twice()) == Counter([None, TokenInvalid])
        assert not Session.objects.exists()

    def test_without_the_lock_an_older_token_replaces_a_newer_one(self) -> None:
        """The session ends when its owner uses the newest token."""
        with without_locks(), self.pause_refresh() as first:
            newest = refresh(refresh(self.pair))
            assert first.finish() is None
        assert get_error_type(partial(refresh, newest)) is TokenInvalid
        assert not Session.objects.exists()

    def test_slow_refresh_does_not_replace_a_newer_token(self) -> None:
        with self.pause_refresh() as first, Actor() as second:
            newest = second.start(lambda: refresh(refresh(self.pair)))
            assert second.waits()
            assert first.finish() is None
            pair = newest.result(MAX_SECONDS)
            second.commit()
        assert get_error_type(partial(refresh, pair)) is None

    def change_password(self) -> None:
        session_id = read_refresh_token(self.pair.refresh_token)[0]
        services.change_password(
            viewer=Viewer(user_id=self.user.pk, session_id=session_id),
            old_password=PASSWORD,
            new_password=OTHER_PASSWORD,
        )

    def test_refresh_during_a_password_change_keeps_the_session(self) -> None:
        with Actor() as changing, Actor() as refreshing:
            changing.do(self.change_password)
            refreshed = refreshing.start(refresh, self.pair)
            assert refreshing.waits()
            changing.commit()
            pair = refreshed.result(MAX_SECONDS)
            refreshing.commit()
        assert self.rest.read(f"Bearer {pair.access_token}").code is None

    def test_locking_and_reading_in_one_statement_ends_the_session(self) -> None:
        """The statement waits for the new session row but joins the old account row."""
        session_id = read_refresh_token(self.pair.refresh_token)[0]
        locked_sessions = Session.objects.open().select_for_update(of=("self",)).filter(pk=session_id)
        with Actor() as changing, Actor() as refreshing:
            changing.do(self.change_password)
            found = refreshing.start(locked_sessions.first)
            assert refreshing.waits()
            changing.commit()
            assert found.result(MAX_SECONDS) is None
        assert Session.objects.open().filter(pk=session_id).exists()


class ParallelConfirmationTest(ThreadCase):
    def setUp(self) -> None:
        super().setUp()
        make_unconfirmed_user(EMAIL)
        self.code = new_code(Purpose.CONFIRMATION, EMAIL)

    def confirm_twice(self) -> list[type[Exception] | None]:
        return run_in_parallel([partial(get_error_type, partial(confirm, code=self.code))] * 2)

    def test_one_of_two_parallel_confirmations_succeeds(self) -> None:
        assert Counter(self.confirm_twice()) == Counter([None, WrongCode])
        assert User.objects.get().is_confirmed

    def test_without_locks_conditions_and_script_both_succeed(self) -> None:
        in_steps = redeem_in_steps(Barrier(2, timeout=MAX_SECONDS).wait)
        with ExitStack() as twin:
            twin.enter_context(without_locks())
            # The row lock of a real UPDATE would make the second request wait and check again.
            twin.enter_context(mock.patch.object(QuerySet, "update", return_value=1))
            twin.enter_context(mock.patch(f"{SERVICES}.email_codes.redeem_code", in_steps))
            assert self.confirm_twice() == [None, None]


class ParallelGuessTest(ThreadCase):
    GUESSES = 10

    def guess(self, redeem: Callable[..., None]) -> bool:
        """Make ten wrong guesses in parallel and return whether the code is still valid."""
        code = create_code(Purpose.CONFIRMATION, EMAIL, "hash", new_message_id())
        wrong = [f"{(int(code) + offset) % 10**6:06}" for offset in range(1, self.GUESSES + 1)]
        attempts = [
            partial(get_error_type, partial(redeem, Purpose.CONFIRMATION, EMAIL, guess, "hash"))
            for guess in wrong
        ]
        assert run_in_parallel(attempts) == [WrongCode] * self.GUESSES
        return get_error_type(partial(codes.redeem_code, Purpose.CONFIRMATION, EMAIL, code, "hash")) is None

    def test_every_parallel_guess_counts(self) -> None:
        assert not self.guess(codes.redeem_code)

    def test_without_the_script_ten_guesses_count_as_one(self) -> None:
        assert self.guess(redeem_in_steps(Barrier(self.GUESSES, timeout=MAX_SECONDS).wait))


class CleanupAndConfirmTest(ThreadCase):
    """An account that is confirmed during the cleanup is not deleted."""

    def setUp(self) -> None:
        super().setUp()
        self.user = make_unconfirmed_user(EMAIL)
        User.objects.update(date_joined=self.user.date_joined - 2 * cleanup.UNCONFIRMED_RETENTION)
        self.code = new_code(Purpose.CONFIRMATION, EMAIL)

    def test_account_being_confirmed_is_not_deleted(self) -> None:
        with Actor() as confirming:
            confirming.do(confirm, code=self.code)
            assert cleanup.delete_unconfirmed_accounts() == 0
            confirming.commit()
        assert User.objects.get().is_confirmed

    def confirm_before_the_lock(self) -> None:
        """Confirm between the selection and the locking of the accounts."""
        read_values = QuerySet.values_list

        def confirm_after_reading(rows: QuerySet, *fields: str, **options: Any) -> Any:
            keys = list(read_values(rows, *fields, **options))
            if rows.model is User and fields == ("pk",) and not self.is_user_confirmed():
                with ThreadPoolExecutor(1) as thread:
                    thread.submit(self.confirm_in_thread).result(MAX_SECONDS)
            return keys

        with without_locks(), mock.patch.object(QuerySet, "values_list", confirm_after_reading):
            cleanup.delete_unconfirmed_accounts()

    def is_user_confirmed(self) -> bool:
        return User.objects.get().is_confirmed

    def confirm_in_thread(self) -> None:
        try:
            confirm(code=self.code)
        finally:
            connection.close()

    def test_account_confirmed_after_the_selection_is_not_deleted(self) -> None:
        self.confirm_before_the_lock()
        assert self.is_user_confirmed()

    def test_without_the_second_check_a_confirmed_account_is_deleted(self) -> None:
        with without_conditions("status__verified"):
            assert cleanup.delete_unconfirmed_accounts() == 1
        assert not User.objects.exists()
