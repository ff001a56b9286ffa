"""Rate limits of logins, passwords, codes and mails.

Two limits stop guessing of passwords. A strict limit per account and client network leaves the owner free to
log in from elsewhere. A looser limit per account stops an attacker with many networks.
"""

from contextlib import suppress

from limits import parse_many

from backend.accounts.codes import Purpose
from backend.core.client_address import get_network
from backend.core.errors import Unavailable
from backend.core.throttling import RateLimit, hit_rate_limit, hit_rate_limits, reset_rate_limits

# Longer windows allow little more than shorter ones, so a client that keeps trying waits longer each time.
LOGIN_PER_NETWORK = parse_many("5/minute; 10/15 minutes; 20/hour; 50/day")
LOGIN_PER_ACCOUNT = parse_many("100/hour; 500/day")
LOGIN_PER_ADDRESS = parse_many("20/minute; 100/15 minutes; 300/hour")
PASSWORD_PER_ACCOUNT = parse_many("5/minute; 10/15 minutes; 20/hour; 50/day")
REFRESH_PER_ADDRESS = parse_many("120/minute; 3000/hour")
CODES_PER_ACCOUNT = parse_many("10/hour; 20/day")
CODES_PER_ADDRESS = parse_many("30/15 minutes; 60/hour")
MAIL_PER_ACCOUNT = parse_many("5/hour; 10/day")
# All users of a company or a mobile network can have the same address.
MAIL_PER_ADDRESS = parse_many("60/hour; 600/day")


def hit_login_limits(email: str, address: str, action: str = "login") -> None:
    """Count a login attempt.

    Args:
        action: the name of the counters. The admin has other counters than the APIs.

    Raises:
        RateLimited, Unavailable: see `hit_rate_limits`.
    """
    hit_rate_limits(
        [
            RateLimit(LOGIN_PER_ADDRESS, f"{action}-address", address),
            *_list_login_limits(email, address, action),
        ]
    )


def reset_login_limits(email: str, address: str, action: str = "login") -> None:
    """Clear the counts of an account after a successful login from this address."""
    with suppress(Unavailable):
        reset_rate_limits(_list_login_limits(email, address, action))


def hit_password_limit(user_id: int) -> None:
    """Count a check of the password of a logged-in user.

    Logins have other counters: an attacker who exhausts them must not prevent the owner from changing the
    password.

    Raises:
        RateLimited, Unavailable: see `hit_rate_limits`.
    """
    hit_rate_limits([_make_password_limit(user_id)])


def reset_password_limit(user_id: int) -> None:
    """Clear the count of password checks after a correct one."""
    with suppress(Unavailable):
        reset_rate_limits([_make_password_limit(user_id)])


def hit_refresh_limit(address: str) -> None:
    """Count a use of a refresh token.

    Without Redis there is no limit, because refresh tokens cannot be guessed.

    Raises:
        RateLimited: see `hit_rate_limits`.
    """
    with suppress(Unavailable):
        hit_rate_limit(REFRESH_PER_ADDRESS, "refresh-address", address)


def hit_code_limits(purpose: Purpose, email: str, address: str) -> None:
    """Count an attempt to redeem a code.

    Raises:
        RateLimited, Unavailable: see `hit_rate_limits`.
    """
    hit_rate_limits(
        [
            RateLimit(CODES_PER_ADDRESS, "code-address", address),
            RateLimit(CODES_PER_ACCOUNT, f"code-{purpose}", email),
        ]
    )


def hit_email_limits(email: str, address: str) -> None:
    """Count a mail that a guest requests.

    Raises:
        RateLimited, Unavailable: see `hit_rate_limits`.
    """
    hit_rate_limits(
        [RateLimit(MAIL_PER_ADDRESS, "mail-address", address), RateLimit(MAIL_PER_ACCOUNT, "mail", email)]
    )


def _list_login_limits(email: str, address: str, action: str) -> list[RateLimit]:
    return [
        RateLimit(LOGIN_PER_NETWORK, f"{action}-network", f"{email} {get_network(address)}"),
        RateLimit(LOGIN_PER_ACCOUNT, action, email),
    ]


def _make_password_limit(user_id: int) -> RateLimit:
    return RateLimit(PASSWORD_PER_ACCOUNT, "password", str(user_id))
