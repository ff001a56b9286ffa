"""Count searches without results by day, so that staff see what customers miss.

Redis keeps one sorted set for each day. A text is counted at most once in `REPEATED_SECONDS`, because one
search of a customer sends it several times: for suggestions, results and filters. A search that the response
cache answers is not counted again either.
"""

from collections.abc import Mapping
from datetime import timedelta
from itertools import islice
from typing import Any

from django.utils import timezone
from redis import Redis

from backend.core.redis import PREFIX, try_redis

MAX_SEARCHES_PER_DAY = 500
MAX_LENGTH = 60
REPORTED_DAYS = 7
REPEATED_SECONDS = 30
# Phone, card and passport numbers are longer.
MAX_DIGITS = 6

_KEY = f"{PREFIX}empty-searches:"
_RECENT = f"{PREFIX}recent-empty-searches:"


def may_be_personal(text: str) -> bool:
    """Return whether a search query may contain an e-mail address, a phone number or the like."""
    return "@" in text or sum(map(str.isdigit, text)) > MAX_DIGITS


def count_empty_search(text: str) -> None:
    """Count a search without results, at most once in `REPEATED_SECONDS`.

    Does nothing if it is longer than `MAX_LENGTH` or Redis does not respond. A day has at most
    `MAX_SEARCHES_PER_DAY` texts. The least frequent ones are removed first.

    Args:
        text: the normalized words of the search.
    """
    if len(text) > MAX_LENGTH:
        return
    key = _get_key(0)

    def write(redis: Redis) -> None:
        if not redis.set(f"{_RECENT}{text}", 1, nx=True, ex=REPEATED_SECONDS):
            return
        pipeline = redis.pipeline(transaction=False)
        pipeline.zincrby(key, 1, text)
        pipeline.zremrangebyrank(key, 0, -MAX_SEARCHES_PER_DAY - 1)
        pipeline.expire(key, timedelta(days=REPORTED_DAYS + 1))
        pipeline.execute()

    try_redis(write)


def list_empty_searches(limit: int) -> list[tuple[str, int]] | None:
    """Return the most frequent searches without results of the last `REPORTED_DAYS` days, and their counts.

    Storefronts search while a customer types. A text is left out if a longer one that begins with it was
    searched at least half as often.

    Returns:
        None if Redis does not respond.
    """
    keys = [_get_key(days) for days in range(REPORTED_DAYS)]
    # The annotation of redis-py does not depend on `withscores`.
    rows: Any = try_redis(lambda redis: redis.zunion(keys, withscores=True))
    if rows is None:
        return None
    counts = {text.decode(): int(count) for text, count in rows}
    unfinished = _find_unfinished(counts)
    finished = [(text, count) for text, count in counts.items() if text not in unfinished]
    return sorted(finished, key=lambda row: (-row[1], row[0]))[:limit]


def _find_unfinished(counts: Mapping[str, int]) -> set[str]:
    """Return the texts that were typed on the way to a longer one."""
    unfinished = set()
    # The texts that begin with a text follow it.
    texts = sorted(counts)
    for place, text in enumerate(texts):
        for longer in islice(texts, place + 1, None):
            if not longer.startswith(text):
                break
            if 2 * counts[longer] >= counts[text]:
                unfinished.add(text)
                break
    return unfinished


def _get_key(days_ago: int) -> str:
    return f"{_KEY}{timezone.localdate() - timedelta(days=days_ago)}"
