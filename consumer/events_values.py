"""The values of an event that are text on the wire and something else afterwards: times, base64, one or many."""

import binascii
import re
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from consumer.events_fields import problem

_TIME: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}):([0-9]{2})(?:\.([0-9]{1,12}))?"
    r"(?:[Zz]|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))"
)
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC)


def _time(text: object) -> datetime | None:
    if text is None:
        return None
    match = _TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise problem("must be an RFC 3339 time with an offset, like 2026-11-21T08:00:00Z")
    day, clock, second, fraction, sign, hours, minutes = match.groups()
    if second == "60":  # a leap second (RFC 3339 §5.7), which Python does not know
        second = "59"
    try:
        local = datetime.fromisoformat(f"{day}T{clock}:{second}.{(fraction or '0')[:6]:0<6}")
        offset = timedelta(hours=int(hours), minutes=int(minutes)) if sign else timedelta()
        moment = local.replace(tzinfo=timezone(-offset if sign == "-" else offset)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise problem("is not a date and time that exists") from None
    if not _EARLIEST <= moment < _LATEST:
        raise problem("must lie between the years 1970 and 9999")
    return moment


def _base64(text: object) -> bytes:
    if not isinstance(text, str):
        raise problem("must be a string in base64")
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:  # also characters beyond ASCII
        raise problem("is not base64 (RFC 4648 §4: padded, no line breaks)") from None


def many(value: object) -> object:
    """Before validation: an array as a tuple, nothing as none, one as many."""
    if isinstance(value, list):
        return tuple(value)
    return () if value is None else value


def one_or_many(value: object) -> object:
    """As :func:`many`, where the contract allows to write a single one without brackets."""
    return (value,) if isinstance(value, dict | str) else many(value)


def unless_null(default: str) -> Callable[[object], object]:
    """Before validation: ``null`` means what leaving the field out means."""
    return lambda value: default if value is None else value


def _wire_time(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _wire_base64(content: bytes) -> str:
    return b64encode(content).decode("ascii")


def _or_none(serialize: Callable[[Any], str]) -> Callable[[Any], str | None]:
    return lambda value: None if value is None else serialize(value)


Time = Annotated[
    datetime | None,
    BeforeValidator(_time),
    PlainSerializer(_or_none(_wire_time)),
    WithJsonSchema({"type": ["string", "null"], "format": "date-time"}),
]
"""An aware ``datetime`` in UTC; RFC 3339 text with an offset on the wire."""

Base64 = Annotated[
    bytes,
    BeforeValidator(_base64),
    PlainSerializer(_wire_base64),
    WithJsonSchema({"type": "string", "contentEncoding": "base64"}),
]
"""Bytes; base64 on the wire, standard alphabet, padded, without line breaks."""
