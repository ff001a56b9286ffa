"""Six-digit codes sent by e-mail, of which Redis keeps only an HMAC.

A code vouches for the password that the account had when it was mailed, and for no other: who sets
another password of a registration cannot have it confirmed by somebody else's code.
"""

import secrets
from enum import StrEnum
from functools import cache

from django.utils.crypto import salted_hmac
from redis.commands.core import Script

from backend.core.digests import digest_secret
from backend.core.errors import ErrorCode, ShopError
from backend.core.redis import PREFIX, redis_required, redis_client

LIFETIME_SECONDS = 15 * 60
MAX_TRIES = 5

# One step, so that a hundred guesses at once count as a hundred: a right code is used up, the last
# wrong try takes the code away.
_SPEND = """
local digest = redis.call('HGET', KEYS[1], 'digest')
if not digest then return 0 end
local tries = redis.call('HINCRBY', KEYS[1], 'tries', 1)
if digest == ARGV[1] and tries <= tonumber(ARGV[2]) then
    redis.call('DEL', KEYS[1])
    return 1
end
if tries >= tonumber(ARGV[2]) then redis.call('DEL', KEYS[1]) end
return 0
"""


class Purpose(StrEnum):
    """What a code allows; a code of one purpose is nothing to the other."""

    CONFIRMATION = "confirmation"
    PASSWORD_RESET = "password-reset"


class WrongCode(ShopError):
    """The code is wrong, used, too old, replaced by a newer one, or was guessed at too often."""

    code = ErrorCode.WRONG_CODE


def make_code(purpose: Purpose, email: str, password_hash: str) -> str:
    """Return a new code, the only one that is good for this from now on.

    Called where the mail is written, so that the code is nowhere else in the clear.

    Args:
        password_hash: of the account as it is now; the code is good for as long as it stays.

    Raises:
        Unavailable: Redis does not answer.
    """
    code = f"{secrets.randbelow(10**6):06}"
    key = _key(purpose, email)
    with redis_required() as redis, redis.pipeline(transaction=True) as pipeline:
        pipeline.delete(key)
        pipeline.hset(key, mapping={"digest": _digest(purpose, email, code, password_hash), "tries": 0})
        pipeline.expire(key, LIFETIME_SECONDS)
        pipeline.execute()
    return code


def spend_code(purpose: Purpose, email: str, code: str, password_hash: str) -> None:
    """Use a code up.

    Args:
        password_hash: of the account as it is now, locked; empty where there is none to use it for.

    Raises:
        WrongCode: it is not the code, or not any more.
        Unavailable: Redis does not answer.
    """
    with redis_required():
        spent = _script()(
            keys=[_key(purpose, email)],
            args=[_digest(purpose, email, code.strip(), password_hash), MAX_TRIES],
            client=redis_client(),
        )
    if not spent:
        raise WrongCode("This code is not right, or not any more. Ask for a new one.", field="code")


def _key(purpose: Purpose, email: str) -> str:
    # No address in the clear: what is in Redis can be listed by whoever operates it.
    return f"{PREFIX}code:{purpose}:{digest_secret(email.lower())}"


def _digest(purpose: Purpose, email: str, code: str, password_hash: str) -> str:
    # The code is the one part that anybody writes at will; it comes last.
    bound = f"{purpose}:{email.lower()}:{password_hash}:{code}"
    return salted_hmac("backend.accounts.codes", bound, algorithm="sha256").hexdigest()


@cache
def _script() -> Script:
    return redis_client().register_script(_SPEND)
