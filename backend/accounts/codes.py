"""Six-digit one-time codes sent by e-mail. Redis stores only their HMAC.

A code is valid only for the password that the account had when the code was created. If another person
sets another password for an unconfirmed registration, the code in the owner's mailbox cannot confirm it.
"""

from enum import StrEnum
from functools import cache

from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _
from redis.commands.core import Script

from backend.core.digests import digest_secret
from backend.core.errors import ErrorCode, ShopError
from backend.core.redis import PREFIX, get_redis_client, redis_required

LIFETIME_SECONDS = 15 * 60
MAX_ATTEMPTS = 5

# One atomic step, so that parallel guesses all count. A correct code is deleted, and so is a code after the
# last wrong attempt.
_REDEEM = """
local digest = redis.call('HGET', KEYS[1], 'digest')
if not digest then return 0 end
local attempts = redis.call('HINCRBY', KEYS[1], 'attempts', 1)
if digest == ARGV[1] and attempts <= tonumber(ARGV[2]) then
    redis.call('DEL', KEYS[1])
    return 1
end
if attempts >= tonumber(ARGV[2]) then redis.call('DEL', KEYS[1]) end
return 0
"""


class Purpose(StrEnum):
    """The action that a code allows. A code is valid for one purpose only."""

    CONFIRMATION = "confirmation"
    PASSWORD_RESET = "password-reset"


class WrongCode(ShopError):
    """The code is wrong, used, expired or replaced by a newer one, or had too many wrong attempts."""

    code = ErrorCode.WRONG_CODE


def create_code(purpose: Purpose, email: str, password_hash: str, message_id: str) -> str:
    """Return the code of a mail, which replaces the code of any other mail.

    Call it when the mail is rendered, so that the code is not stored anywhere in plain text. A mail that is
    rendered again has the same code, because its recipient may see only the first copy.

    Args:
        password_hash: of the account; the code is valid until it changes.
        message_id: of the mail.

    Raises:
        Unavailable: Redis does not respond.
    """
    # Without SECRET_KEY, a code is as unpredictable as a random number.
    seed = f"{purpose}:{email.lower()}:{password_hash}:{message_id}"
    digest = salted_hmac("backend.accounts.codes.create_code", seed, algorithm="sha256").digest()
    code = f"{int.from_bytes(digest) % 10**6:06}"
    key = _make_key(purpose, email)
    with redis_required() as redis, redis.pipeline(transaction=True) as pipeline:
        pipeline.delete(key)
        pipeline.hset(
            key, mapping={"digest": _compute_digest(purpose, email, code, password_hash), "attempts": 0}
        )
        pipeline.expire(key, LIFETIME_SECONDS)
        pipeline.execute()
    return code


def redeem_code(purpose: Purpose, email: str, code: str, password_hash: str) -> None:
    """Check a code and delete it, so that it works once.

    Args:
        password_hash: of the account, which the caller has locked; empty if no account matches.

    Raises:
        WrongCode: the code is not valid.
        Unavailable: Redis does not respond.
    """
    with redis_required():
        is_valid = _get_script()(
            keys=[_make_key(purpose, email)],
            args=[_compute_digest(purpose, email, code.strip(), password_hash), MAX_ATTEMPTS],
            client=get_redis_client(),
        )
    if not is_valid:
        raise WrongCode(_("The code is wrong or has expired. Request a new one."), field="code")


def _make_key(purpose: Purpose, email: str) -> str:
    # Operators of Redis can list its keys, so they do not contain addresses.
    return f"{PREFIX}code:{purpose}:{digest_secret(email.lower())}"


def _compute_digest(purpose: Purpose, email: str, code: str, password_hash: str) -> str:
    # The code comes last, because it is the only part that a client can choose freely.
    signed = f"{purpose}:{email.lower()}:{password_hash}:{code}"
    return salted_hmac("backend.accounts.codes", signed, algorithm="sha256").hexdigest()


@cache
def _get_script() -> Script:
    return get_redis_client().register_script(_REDEEM)
