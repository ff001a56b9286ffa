"""How often things may be tried."""

from limits import parse_many

from backend.core.throttling import count_try, forget_tries

# Longer windows allow little more than shorter ones, so who goes on trying waits ever longer.
LOGIN_PER_ACCOUNT = parse_many("5/minute; 10/15 minutes; 20/hour; 50/day")
LOGIN_PER_ADDRESS = parse_many("20/minute; 100/15 minutes; 300/hour")
CODES_PER_ACCOUNT = parse_many("10/hour")
CODES_PER_ADDRESS = parse_many("30/15 minutes; 60/hour")
MAIL_PER_ACCOUNT = parse_many("5/hour; 10/day")
MAIL_PER_ADDRESS = parse_many("20/hour; 60/day")


def count_mail(email: str, address: str) -> None:
    count_try(MAIL_PER_ADDRESS, "mail-address", address)
    count_try(MAIL_PER_ACCOUNT, "mail", email)


def count_code(email: str, address: str) -> None:
    count_try(CODES_PER_ADDRESS, "code-address", address)
    count_try(CODES_PER_ACCOUNT, "code", email)


def count_login(email: str, address: str) -> None:
    count_try(LOGIN_PER_ADDRESS, "login-address", address)
    count_try(LOGIN_PER_ACCOUNT, "login", email)


def forget_logins(email: str) -> None:
    forget_tries(LOGIN_PER_ACCOUNT, "login", email)
