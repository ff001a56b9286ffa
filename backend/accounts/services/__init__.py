"""All changes of accounts and their sessions."""

from backend.accounts.services.credentials import WrongCredentials
from backend.accounts.services.passwords import change_password, request_password_reset, reset_password
from backend.accounts.services.profile import delete_account, lock_carts, update_account
from backend.accounts.services.registration import (
    confirm_registration,
    register_account,
    resend_confirmation_code,
)
from backend.accounts.services.sessions import (
    TokenPair,
    log_in,
    log_out,
    log_out_everywhere,
    refresh_session,
)

__all__ = [
    "TokenPair",
    "WrongCredentials",
    "change_password",
    "confirm_registration",
    "delete_account",
    "lock_carts",
    "log_in",
    "log_out",
    "log_out_everywhere",
    "refresh_session",
    "register_account",
    "request_password_reset",
    "resend_confirmation_code",
    "reset_password",
    "update_account",
]
