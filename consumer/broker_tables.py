"""AMQP 0-9-1 field tables (message headers) to Python values and back, without loss and without failing.

pika's own table code is not good enough for messages that strangers publish (read in pika 1.4.4, ``data.py``): it
cuts doubles down to integers, and it raises on NaN, on infinity, on a timestamp beyond the year 9999 and on a field
type it does not know. It raises *inside the connection's reader*, which tears the connection down; the broker then
redelivers the same message to the next connection, and so on for ever. It also cannot encode a float at all.

Here every table decodes. What Python has no value for is kept as the bytes it came in (`RawField`) and written back
unchanged. Integer widths are not kept: an integer goes out as 32 bits if it fits and 64 bits if not.

Field types: RabbitMQ's list, https://www.rabbitmq.com/amqp-0-9-1-errata (section 3), plus those of the specification
(AMQP 0-9-1, 4.2.5.5). Nothing here knows connections.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

# Deeper tables stay undecoded: a table of 100,000 levels fits a frame, and recursion must not depend on a stranger.
MAX_DEPTH: Final = 16
_LAST_TIMESTAMP: Final = 253_402_300_799  # 9999-12-31T23:59:59Z, the last that datetime can hold
_INT32: Final = range(-(2**31), 2**31)

_FIXED: Final[dict[bytes, struct.Struct]] = {
    b"t": struct.Struct(">B"),
    b"b": struct.Struct(">b"),
    b"B": struct.Struct(">B"),
    b"s": struct.Struct(">h"),
    b"U": struct.Struct(">h"),
    b"u": struct.Struct(">H"),
    b"I": struct.Struct(">i"),
    b"i": struct.Struct(">I"),
    b"l": struct.Struct(">q"),
    b"L": struct.Struct(">q"),  # signed in RabbitMQ, whatever the specification says (rabbitmq-server#1093)
    b"f": struct.Struct(">f"),
    b"d": struct.Struct(">d"),
}
_LENGTH: Final = struct.Struct(">I")
_DECIMAL: Final = struct.Struct(">Bi")


@dataclass(frozen=True, slots=True)
class RawField:
    """A field that has no Python value, as it was on the wire: one letter of type and the bytes after it."""

    kind: bytes
    data: bytes


class _Malformed(Exception):
    """The bytes are not a field table from here on."""


def decode_table(data: bytes) -> tuple[dict[str, object], bool]:
    """Decode the content of a table (the bytes after its length): the fields, and whether all of it was understood.

    Never raises: an unknown field type or a cut field ends the decoding, and the fields before it are returned.
    A name that is not UTF-8 keeps its bytes as surrogates (PEP 383) and so survives encoding.
    """
    fields: dict[str, object] = {}
    try:
        _decode_fields(data, fields, 0)
    except _Malformed:
        return fields, False
    return fields, True


def encode_table(fields: Mapping[str, object]) -> bytes:
    """Encode a table with its length in front.

    Takes everything `decode_table` returns. Raises ValueError for what AMQP cannot express: a name beyond 255
    bytes, an integer beyond 64 bits, a naive or negative date, any other type.
    """
    content = b"".join([_encode_name(name) + _encode_value(value) for name, value in fields.items()])
    return _LENGTH.pack(len(content)) + content


def encode_field(name: str, value: object) -> bytes:
    """Encode one field, name and value. Raises ValueError as `encode_table` does."""
    return _encode_name(name) + _encode_value(value)


# Names are few and come with every message.
@lru_cache(maxsize=512)
def _encode_name(name: str) -> bytes:
    encoded = name.encode("utf-8", "surrogateescape")
    if len(encoded) > 255:
        raise ValueError("a header name is longer than 255 bytes")
    return bytes((len(encoded),)) + encoded


@lru_cache(maxsize=512)
def _decode_name(encoded: bytes) -> str:
    return encoded.decode("utf-8", "surrogateescape")


def _take(data: bytes, offset: int, length: int) -> tuple[bytes, int]:
    end = offset + length
    if end > len(data):
        raise _Malformed
    return data[offset:end], end


def _decode_fields(data: bytes, fields: dict[str, object], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _Malformed
    offset, end = 0, len(data)
    while offset < end:
        start = offset + 1
        offset = start + data[offset]
        if offset > end:
            raise _Malformed
        name = _decode_name(data[start:offset])
        fields[name], offset = _decode_value(data, offset, depth)


def _decode_value(data: bytes, offset: int, depth: int) -> tuple[object, int]:
    kind = data[offset : offset + 1]
    offset += 1
    if kind == b"S":  # most fields are
        start = offset + 4
        offset = start + int.from_bytes(data[offset:start], "big")
        if offset > len(data) or start > len(data):
            raise _Malformed
        return _decode_string(data[start:offset], depth), offset
    if fixed := _FIXED.get(kind):
        end = offset + fixed.size
        if end > len(data):
            raise _Malformed
        number = fixed.unpack_from(data, offset)[0]
        return (bool(number) if kind == b"t" else number), end
    if kind in _LONG:
        prefix, offset = _take(data, offset, 4)
        raw, offset = _take(data, offset, _LENGTH.unpack(prefix)[0])
        try:
            return _LONG[kind](raw, depth), offset
        except _Malformed:
            return RawField(kind, raw), offset
    if kind == b"V":
        return None, offset
    if kind == b"T":
        raw, offset = _take(data, offset, 8)
        seconds = int.from_bytes(raw, "big")
        return (datetime.fromtimestamp(seconds, UTC) if seconds <= _LAST_TIMESTAMP else RawField(kind, raw)), offset
    if kind == b"D":
        raw, offset = _take(data, offset, 5)
        scale, unscaled = _DECIMAL.unpack(raw)
        return Decimal(unscaled).scaleb(-scale), offset
    raise _Malformed


def _decode_string(raw: bytes, _depth: int) -> object:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return RawField(b"S", raw)


def _decode_nested(raw: bytes, depth: int) -> object:
    fields: dict[str, object] = {}
    _decode_fields(raw, fields, depth + 1)
    return fields


def _decode_array(raw: bytes, depth: int) -> object:
    if depth >= MAX_DEPTH:
        raise _Malformed
    values: list[object] = []
    offset = 0
    while offset < len(raw):
        value, offset = _decode_value(raw, offset, depth + 1)
        values.append(value)
    return values


_LONG: Final[dict[bytes, Callable[[bytes, int], object]]] = {
    b"S": _decode_string,
    b"x": lambda raw, _depth: raw,
    b"A": _decode_array,
    b"F": _decode_nested,
}


def _long(kind: bytes, content: bytes) -> bytes:
    return kind + _LENGTH.pack(len(content)) + content


def _encode_value(value: object) -> bytes:
    encode = _EXACT.get(type(value))
    if encode is not None:
        return encode(value)
    for kind, encode in _ENCODERS:
        if isinstance(value, kind):
            return encode(value)
    raise ValueError(f"a header cannot carry a {type(value).__name__}")


def _encode_string(value: str) -> bytes:
    encoded = value.encode("utf-8", "surrogateescape")
    return b"S" + _LENGTH.pack(len(encoded)) + encoded


def _encode_int(value: int) -> bytes:
    if value in _INT32:
        return b"I" + _FIXED[b"I"].pack(value)
    try:
        return b"l" + _FIXED[b"l"].pack(value)
    except struct.error as err:
        raise ValueError("a header cannot carry an integer beyond 64 bits") from err


def _encode_timestamp(value: datetime) -> bytes:
    if value.tzinfo is None or value.timestamp() < 0:
        raise ValueError("a header cannot carry a naive date, or one before 1970")
    return int(value.timestamp()).to_bytes(8, "big")


def _encode_decimal(value: Decimal) -> bytes:
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise ValueError("a header cannot carry a decimal that is not a number")
    unscaled = int("".join(map(str, digits))) * 10 ** max(exponent, 0) * (-1 if sign else 1)
    if exponent < -255 or unscaled not in _INT32:
        raise ValueError("a header cannot carry a decimal beyond 32 bits")
    return _DECIMAL.pack(max(-exponent, 0), unscaled)


# The first that fits counts: a bool is an int, too.
_ENCODERS: Final[tuple[tuple[type, Callable[[Any], bytes]], ...]] = (
    (type(None), lambda _value: b"V"),
    (str, _encode_string),
    (bool, lambda value: b"t" + bytes((value,))),
    (int, _encode_int),
    (float, lambda value: b"d" + _FIXED[b"d"].pack(value)),
    (bytes, lambda value: _long(b"x", value)),
    (Mapping, lambda value: b"F" + encode_table(value)),
    (list, lambda value: _long(b"A", b"".join(_encode_value(item) for item in value))),
    (tuple, lambda value: _encode_value(list(value))),
    (datetime, lambda value: b"T" + _encode_timestamp(value)),
    (Decimal, lambda value: b"D" + _encode_decimal(value)),
    (RawField, lambda value: _long(value.kind, value.data) if value.kind in _LONG else value.kind + value.data),
)
_EXACT: Final = dict(_ENCODERS)
"""Finds the encoder of nearly every value at the first look; only sub-classes need the whole list."""
