"""When a server wants to be asked again: *Retry-After* as seconds and as a date (RFC 9110 §10.2.3)."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

_SKEW = 2.0  # seconds between the server's clock and ours beyond which only the server's own *Date* is of use
_LONGEST = 86_400.0


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds from now, between 0 and a day; None without the field or for one that cannot be read.

    ``now`` is the wall clock's, in seconds since 1970. A date is taken by the server's clock where that is not ours.
    """
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), _LONGEST)
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
        return parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
