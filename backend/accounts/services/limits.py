"""How often things may be tried.

A password is guessed at by one client network or by many. The first is stopped by the account's limit
for that network, which leaves the owner free to log in from elsewhere; the second by a looser limit of
the account for everybody together.
"""

from contextlib import suppress

from limits import parse_many

from backend.accounts.codes import Purpose
from backend.core.errors import Unavailable
from backend.core.throttling import RateLimit, hit_rate_limit, hit_rate_limits, reset_rate_limits
from backend.core.viewer import network_of

# Longer windows allow little more than shorter ones, so who goes on trying waits ever longer.
LOGIN_PER_NETWORK = parse_many("5/minute; 10/15 minutes; 20/hour; 50/day")
LOGIN_PER_ACCOUNT = parse_many("100/hour; 500/day")
LOGIN_PER_ADDRESS = parse_many("20/minute; 100/15 minutes; 300/hour")
PASSWORD_PER_ACCOUNT = parse_many("5/minute; 10/15 minutes; 20/hour; 50/day")
REFRESH_PER_ADDRESS = parse_many("120/minute; 3000/hour")
CODES_PER_ACCOUNT = parse_many("10/hour; 20/day")
CODES_PER_ADDRESS = parse_many("30/15 minutes; 60/hour")
MAIL_PER_ACCOUNT = parse_many("5/hour; 10/day")
# A company or a mobile network can stand behind one address.
MAIL_PER_ADDRESS = parse_many("60/hour; 600/day")


def count_login(email: str, address: str, action: str = "login") -> None:
    """Count a try to log in.

    Args:
        action: what the tries are counted as; the admin's are apart from the APIs'.

    Raises:
        RateLimited, Unavailable: see `hit_rate_limits`.
    """
    hit_rate_limits(
        [RateLimit(LOGIN_PER_ADDRESS, f"{action}-address", address), *_logins(email, address, action)]
    )


def forget_logins(email: str, address: str, action: str = "login") -> None:
    """Start counting the tries on an account anew, after a right one from this address."""
    with suppress(Unavailable):
        reset_rate_limits(_logins(email, address, action))


def count_password(user_id: int) -> None:
    """Count a try at the password of somebody who is logged in.

    Apart from the tries to log in, by which anybody could keep the owner from changing it.
    """
    hit_rate_limits([_passwords(user_id)])


def forget_passwords(user_id: int) -> None:
    """Start counting the tries at an open session's password anew, after a right one."""
    with suppress(Unavailable):
        reset_rate_limits([_passwords(user_id)])


def count_refresh(address: str) -> None:
    """Count a use of a refresh token, which nobody can guess: without Redis it goes uncounted."""
    with suppress(Unavailable):
        hit_rate_limit(REFRESH_PER_ADDRESS, "refresh-address", address)


def count_code(purpose: Purpose, email: str, address: str) -> None:
    """Count a try at a mailed code."""
    hit_rate_limits(
        [
            RateLimit(CODES_PER_ADDRESS, "code-address", address),
            RateLimit(CODES_PER_ACCOUNT, f"code-{purpose}", email),
        ]
    )


def count_mail(email: str, address: str) -> None:
    """Count a mail that somebody who is not logged in asks for."""
    hit_rate_limits(
        [RateLimit(MAIL_PER_ADDRESS, "mail-address", address), RateLimit(MAIL_PER_ACCOUNT, "mail", email)]
    )


def _logins(email: str, address: str, action: str) -> list[RateLimit]:
    return [
        RateLimit(LOGIN_PER_NETWORK, f"{action}-network", f"{email} {network_of(address)}"),
        RateLimit(LOGIN_PER_ACCOUNT, action, email),
    ]


def _passwords(user_id: int) -> RateLimit:
    return RateLimit(PASSWORD_PER_ACCOUNT, "password", str(user_id))
