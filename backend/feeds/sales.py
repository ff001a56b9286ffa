"""Periods in which sale prices are in effect."""

import re
from datetime import datetime, time

from django.utils import timezone
from django.utils.translation import gettext as _

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def is_in_effect(period: str, now: datetime) -> bool:
    """Return whether a time is in a period such as "2026-05-01T00:00+0300/2026-05-31".

    A start without a time of day is the beginning of the day, and an end without one the end of the day.
    Times without a UTC offset are in the time zone of the shop.

    Raises:
        ValueError: the text is not a period; the message is a predicate about the column.
    """
    try:
        start_text, end_text = (part.strip() for part in period.split("/"))
        start, end = _parse_time(start_text, time.min), _parse_time(end_text, time.max)
    except ValueError as error:
        raise ValueError(
            _("%(text)r is not a period such as 2026-05-01T00:00+0300/2026-05-31T23:59+0300")
            % {"text": period[:60]}
        ) from error
    if start > end:
        raise ValueError(_("%(text)r ends before it begins") % {"text": period[:60]})
    return start <= now <= end


def _parse_time(text: str, time_of_day: time) -> datetime:
    moment = datetime.fromisoformat(text)
    if _DATE.fullmatch(text):
        moment = datetime.combine(moment, time_of_day)
    return moment if moment.tzinfo else timezone.make_aware(moment)
