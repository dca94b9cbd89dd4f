"""When a server wants to be asked again: *Retry-After* as seconds and as a date (RFC 9110 §10.2.3)."""

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

_SKEW = 2.0  # seconds between the server's clock and ours beyond which only the server's own *Date* is of use
_SECONDS = re.compile(r"([0-9]{1,9})[0-9]*(\.[0-9]{1,9})?")
_LONGEST = 86_400.0
"""Seconds. No limit of a provider's lasts longer, and a wrong number must not silence an account for years: after a day
it is asked once, and says so again if it meant it."""


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds from now, between 0 and a day, to which more is cut; None without the field or for an unreadable one.

    Fractions of a second, which the RFC does not know, are read all the same. ``now`` is the wall clock's,
    in seconds since 1970. A date is taken by the server's clock where that is not ours.
    """
    value = headers.get("Retry-After", "").strip()
    seconds = _SECONDS.fullmatch(value)
    if seconds is not None:
        return min(float(seconds[1] + (seconds[2] or "")), _LONGEST)
    until = _moment(value)
    if until is None:
        return None
    return seconds_until(until, headers, now)


def seconds_until(moment: float, headers: Mapping[str, str], now: float) -> float:
    """Seconds from now, between 0 and a day, to a ``moment`` (seconds since 1970) that a server named."""
    there = _moment(headers.get("Date", ""))
    if there is not None and abs(there - now) > _SKEW:
        now = there
    return min(max(0.0, moment - now), _LONGEST)


def _moment(value: str) -> float | None:
    try:
        found = parsedate_to_datetime(value)
        # An HTTP date is one in GMT whatever stands there (RFC 9110 §5.6.7); without a zone it would be read as local.
        return (found.replace(tzinfo=UTC) if found.tzinfo is None else found).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
