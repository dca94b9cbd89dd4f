"""Field tables: everything decodes, everything decoded encodes, and pika agrees on what it knows."""

import struct
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import data as pika_data  # type: ignore[attr-defined]  # not in the stubs

from consumer.broker_tables import MAX_DEPTH, RawField, decode_table, encode_table

NAMES = st.text(max_size=60)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.integers(0, 253_402_300_799).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
    | st.builds(
        lambda number, scale: Decimal(number).scaleb(-scale), st.integers(-(2**31), 2**31 - 1), st.integers(0, 255)
    )
    | st.builds(RawField, st.just(b"S"), st.just(b"\xff\xfe"))
    | st.builds(RawField, st.just(b"T"), st.integers(2**60, 2**64 - 1).map(lambda number: struct.pack(">Q", number)))
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4))
TABLES = st.dictionaries(NAMES, VALUES, max_size=6)


@given(TABLES)
def test_every_table_comes_back_as_it_was(table: dict[str, Any]) -> None:
    encoded = encode_table(table)
    assert struct.unpack(">I", encoded[:4])[0] == len(encoded) - 4
    assert decode_table(encoded[4:]) == (table, True)


@given(st.binary(max_size=300))
def test_any_bytes_decode_to_something_that_can_be_encoded(garbage: bytes) -> None:
    fields, complete = decode_table(garbage)
    again, _ = decode_table(encode_table(fields)[4:])
    assert repr(again) == repr(fields)  # by repr: not-a-number is not equal to itself
    assert complete or garbage


@given(TABLES, st.integers(0, 5000))
def test_cut_table_yields_the_fields_before_the_cut(table: dict[str, Any], cut: int) -> None:
    content = encode_table(table)[4:]
    fields, _ = decode_table(content[: min(cut, len(content))])
    for name, value in fields.items():
        assert name in table
        assert table[name] == value


@given(
    st.dictionaries(
        NAMES,
        st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.text()
        | st.binary()
        | st.none()
        | st.lists(st.integers(0, 9)),
        max_size=6,
    )
)
def test_pika_reads_what_we_write_and_we_read_what_pika_writes(table: dict[str, Any]) -> None:
    assert pika_data.decode_table(encode_table(table), 0)[0] == table
    pieces: list[bytes] = []
    pika_data.encode_table(pieces, table)
    assert decode_table(b"".join(pieces)[4:]) == (table, True)


def test_not_a_number_is_carried() -> None:
    fields, complete = decode_table(encode_table({"x": float("nan")})[4:])
    assert complete
    assert str(fields["x"]) == "nan"


def test_small_integers_take_four_bytes_and_large_ones_eight() -> None:
    assert encode_table({"n": 2**31 - 1})[6:7] == b"I"
    assert encode_table({"n": 2**31})[6:7] == b"l"


@pytest.mark.parametrize("kind", [b"F", b"A"])
def test_nesting_beyond_the_limit_is_kept_as_bytes(kind: bytes) -> None:
    content = b""
    for _ in range(20_000):
        name = b"\1n" if kind == b"F" else b""
        content = name + kind + struct.pack(">I", len(content)) + content
    fields, complete = decode_table(content if kind == b"F" else b"\1n" + content)
    assert complete
    depth = 0
    value: Any = fields
    while isinstance(value, dict | list):
        value = value["n"] if isinstance(value, dict) else value[0]
        depth += 1
    assert isinstance(value, RawField)
    assert depth <= MAX_DEPTH + 1
    assert encode_table(fields)[4:] == (content if kind == b"F" else b"\1n" + content)


@pytest.mark.parametrize(
    "value",
    [
        2**63,
        -(2**63) - 1,
        datetime(2026, 1, 1),  # noqa: DTZ001 - naive is the point
        datetime(1969, 1, 1, tzinfo=UTC),
        Decimal("NaN"),
        Decimal(2**31),
        {1},
        Ellipsis,
    ],
    ids=repr,
)
def test_what_amqp_cannot_express_is_a_value_error(value: object) -> None:
    with pytest.raises(ValueError, match="a header cannot carry"):
        encode_table({"x": value})


def test_name_that_is_too_long_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="255 bytes"):
        encode_table({"é" * 128: 1})
