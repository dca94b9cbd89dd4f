"""What a token endpoint said, read into a :class:`~config.oauth.codes.Refusal`. Pure: texts in, values out."""

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from config.oauth.codes import Refusal
from config.oauth.wire import Reply

LONGEST_WAIT: Final = 86_400.0
LONGEST_LIFE: Final = 86_400.0
SHORTEST_LIFE: Final = 60.0
"""What an access token's time is taken for that is said to have none: half of it must do for what waits."""
_NUMBER: Final = re.compile(r"AADSTS([0-9]{4,9})\b")
_WORD: Final = re.compile(r"[A-Za-z_]{1,60}")


def refusal(reply: Reply, *, now: float) -> Refusal:
    """A refusal out of an answer; ``now`` is seconds since the epoch, for a date in Retry-After."""
    found = of_fields(parsed(reply.text), status=reply.status)
    wait = retry_after(reply.headers, now=now)
    return Refusal(found.error, found.status, found.numbers, found.suberror, found.text, wait)


def of_fields(fields: Mapping[str, Any], *, status: int = 0) -> Refusal:
    """A refusal out of the fields of a JSON answer, or of what came through the browser (status 0)."""
    error = fields.get("error")
    text = fields.get("error_description")
    words = text if isinstance(text, str) else ""
    suberror = fields.get("suberror") or fields.get("error_subtype")
    return Refusal(
        error if isinstance(error, str) and _WORD.fullmatch(error) else "",
        status,
        _numbers(fields.get("error_codes"), words),
        suberror if isinstance(suberror, str) and _WORD.fullmatch(suberror) else "",
        words.lower()[:1000],
    )


def parsed(text: str) -> Mapping[str, Any]:
    """A JSON object, empty when it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _numbers(codes: object, text: str) -> tuple[str, ...]:
    listed = [str(code) for code in codes if isinstance(code, int)] if isinstance(codes, list) else []
    return tuple(dict.fromkeys([*listed, *_NUMBER.findall(text)]))[:5]


def retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """Seconds of a Retry-After field (RFC 9110 §10.2.3), ``None`` without one that can be read.

    A date is compared with the answer's own ``Date``, if it has one: our clock may be off.
    """
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text) if text.isascii() and text.replace(".", "", 1).isdigit() else _until(text, headers, now)
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT) if math.isfinite(seconds) else None


def _until(text: str, headers: Mapping[str, str], now: float) -> float:
    asked = _moment(text)
    try:
        return asked - _moment(headers.get("date", ""))
    except (ValueError, TypeError):
        return asked - now


def _moment(text: str) -> float:
    found: datetime = parsedate_to_datetime(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def seconds(value: object, otherwise: float) -> float:
    """``expires_in`` as it was meant: a number, or a text with one (seen in the field); a minute to a day if absurd.

    A positive number below a minute is believed.
    """
    try:
        found = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else otherwise
    except (ValueError, OverflowError):
        return otherwise
    if math.isnan(found):
        return otherwise
    return min(found, LONGEST_LIFE) if found > 0 else SHORTEST_LIFE
