"""Everything that changes an account."""

from backend.accounts.services.credentials import WrongCredentials
from backend.accounts.services.passwords import change_password, request_password_reset, reset_password
from backend.accounts.services.profile import delete_account, update_account
from backend.accounts.services.registration import confirm, register, resend_confirmation
from backend.accounts.services.sessions import TokenPair, log_in, log_out, log_out_everywhere, refresh

__all__ = [
    "TokenPair",
    "WrongCredentials",
    "change_password",
    "confirm",
    "delete_account",
    "log_in",
    "log_out",
    "log_out_everywhere",
    "refresh",
    "register",
    "request_password_reset",
    "resend_confirmation",
    "reset_password",
    "update_account",
]
