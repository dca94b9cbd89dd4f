"""Message properties: our value for them, and their bytes in an AMQP content header (specification 4.2.6.1).

Encoding and decoding are done here, not by pika, for the reasons given in `consumer.broker_tables`. Left out on
purpose: ``delivery_mode`` (always persistent), ``expiration`` (it would let a retry vanish), ``user_id`` (the broker
refuses a name that is not the connection's) and ``cluster_id`` (not used).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from consumer.broker_tables import decode_table, encode_field, encode_table

# Headers with this prefix are Mailroom's own and are the last to be given up when a header frame overflows.
OWN_PREFIX: Final = "mailroom-"
# 7 bytes of frame head, 1 of frame end, 12 of content header (class, weight, body size).
_FRAME_OVERHEAD: Final = 20
_PERSISTENT: Final = b"\2"

_CONTENT_TYPE, _CONTENT_ENCODING, _HEADERS, _DELIVERY_MODE, _PRIORITY = 1 << 15, 1 << 14, 1 << 13, 1 << 12, 1 << 11
_CORRELATION_ID, _REPLY_TO, _EXPIRATION, _MESSAGE_ID, _TIMESTAMP = 1 << 10, 1 << 9, 1 << 8, 1 << 7, 1 << 6
_TYPE, _USER_ID, _APP_ID, _CLUSTER_ID = 1 << 5, 1 << 4, 1 << 3, 1 << 2


@dataclass(frozen=True, slots=True)
class Properties:
    """The properties of a message, as far as Mailroom reads or writes them; ``timestamp`` in seconds since 1970."""

    content_type: str | None = None
    content_encoding: str | None = None
    message_id: str | None = None
    correlation_id: str | None = None
    type: str | None = None
    app_id: str | None = None
    reply_to: str | None = None
    timestamp: int | None = None
    priority: int | None = None
    headers: Mapping[str, object] = field(default_factory=dict)


class _Cut(Exception):
    """The content header ends in the middle of a property."""


def _take(data: bytes, start: int, length: int) -> tuple[bytes, int]:
    end = start + length
    if end > len(data):
        raise _Cut
    return data[start:end], end


def _integer(data: bytes, start: int, length: int) -> tuple[int, int]:
    raw, end = _take(data, start, length)
    return int.from_bytes(raw, "big"), end


def _short_string(data: bytes, start: int) -> tuple[str, int]:
    if start >= len(data):
        raise _Cut
    raw, end = _take(data, start + 1, data[start])
    try:
        return raw.decode(), end
    except UnicodeDecodeError:
        # Readable and ASCII, because this may end in a log line; cut so that it can be published again.
        return raw.decode("utf-8", "backslashreplace").encode()[:255].decode("utf-8", "ignore"), end


def decode_properties(data: bytes) -> Properties:
    """Decode the property flags and the property list of a content header.

    Never raises. What follows a malformed property is left out; headers that cannot be decoded are left out from the
    first such header on (see `consumer.broker_tables.decode_table`).
    """
    found: dict[str, Any] = {}
    try:
        flags, offset = _integer(data, 0, 2)
        word = flags
        while word & 1:  # continuation words carry no flag that this protocol version defines
            word, offset = _integer(data, offset, 2)
        for flag, name, size in _LAYOUT:
            if not flags & flag:
                continue
            if flag == _HEADERS:
                length, offset = _integer(data, offset, 4)
                table, offset = _take(data, offset, length)
                found[name], _complete = decode_table(table)
            elif size:
                found[name], offset = _integer(data, offset, size)
            else:
                found[name], offset = _short_string(data, offset)
    except _Cut:
        pass
    for name in _UNUSED:
        found.pop(name, None)
    return Properties(**found)


# In the order of the wire: flag, name, size in bytes (0 = short string).
_LAYOUT: Final = (
    (_CONTENT_TYPE, "content_type", 0),
    (_CONTENT_ENCODING, "content_encoding", 0),
    (_HEADERS, "headers", 0),
    (_DELIVERY_MODE, "delivery_mode", 1),
    (_PRIORITY, "priority", 1),
    (_CORRELATION_ID, "correlation_id", 0),
    (_REPLY_TO, "reply_to", 0),
    (_EXPIRATION, "expiration", 0),
    (_MESSAGE_ID, "message_id", 0),
    (_TIMESTAMP, "timestamp", 8),
    (_TYPE, "type", 0),
    (_USER_ID, "user_id", 0),
    (_APP_ID, "app_id", 0),
    (_CLUSTER_ID, "cluster_id", 0),
)
_UNUSED: Final = frozenset({"delivery_mode", "expiration", "user_id", "cluster_id"})


def encode_properties(properties: Properties, extra: Mapping[str, object] | None = None) -> bytes:
    """Encode as property flags and property list, always persistent; ``extra`` headers are added.

    Raises ValueError for a text beyond 255 bytes, a number out of range, or a header AMQP cannot carry.
    """
    flags = _DELIVERY_MODE
    pieces = [b""]
    for flag, name, size in _LAYOUT:
        if flag == _DELIVERY_MODE:
            pieces.append(_PERSISTENT)
            continue
        if name in _UNUSED:
            continue
        value = getattr(properties, name)
        if flag == _HEADERS:
            if extra:
                value = {**value, **extra}
            if value:
                flags |= flag
                pieces.append(encode_table(value))
        elif value is not None:
            flags |= flag
            pieces.append(_encode_number(name, value, size) if size else _encode_text(name, value))
    pieces[0] = flags.to_bytes(2, "big")
    return b"".join(pieces)


def _encode_text(name: str, value: str) -> bytes:
    encoded = value.encode("utf-8", "surrogateescape")
    if len(encoded) > 255:
        raise ValueError(f"{name} is longer than 255 bytes")
    return bytes((len(encoded),)) + encoded


def _encode_number(name: str, value: int, size: int) -> bytes:
    try:
        return value.to_bytes(size, "big")
    except OverflowError as err:
        raise ValueError(f"{name} is out of range") from err


def encode_fitting(
    properties: Properties, extra: Mapping[str, object], frame_max: int
) -> tuple[bytes, tuple[str, ...]]:
    """Encode with as many headers as fit one frame: the bytes, and the names of the headers that were dropped.

    A content header cannot be split over frames, and the broker closes the connection on one that is too long. A
    message that arrives with headers just below the limit would otherwise be impossible to republish with ours
    added. The largest foreign header goes first, Mailroom's own last, ``extra`` never.
    """
    encoded = encode_properties(properties, extra)
    excess = len(encoded) + _FRAME_OVERHEAD - frame_max
    if excess <= 0:
        return encoded, ()
    sizes = {name: len(encode_field(name, value)) for name, value in properties.headers.items()}
    dropped: list[str] = []
    for name in sorted(sizes, key=lambda key: (key.startswith(OWN_PREFIX), -sizes[key])):
        if excess <= 0:
            break
        excess -= sizes[name]
        dropped.append(name)
    kept = {name: value for name, value in properties.headers.items() if name not in dropped}
    return encode_properties(replace(properties, headers=kept), extra), tuple(dropped)
