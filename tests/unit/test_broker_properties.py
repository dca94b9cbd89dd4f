"""Properties on the wire."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import BasicProperties

from consumer.broker_properties import Properties, decode_properties, encode_fitting, encode_properties

SHORT = st.none() | st.text(max_size=60)
PROPERTIES = st.builds(
    Properties,
    content_type=SHORT,
    content_encoding=SHORT,
    message_id=SHORT,
    correlation_id=SHORT,
    type=SHORT,
    app_id=SHORT,
    reply_to=SHORT,
    timestamp=st.none() | st.integers(0, 2**64 - 1),
    priority=st.none() | st.integers(0, 255),
    headers=st.dictionaries(st.text(max_size=20), st.text() | st.integers(-9, 9), max_size=5),
)


@given(PROPERTIES)
def test_properties_come_back_as_they_were(properties: Properties) -> None:
    assert decode_properties(encode_properties(properties)) == properties


@given(PROPERTIES)
def test_pika_reads_what_we_write(properties: Properties) -> None:
    theirs = BasicProperties().decode(encode_properties(properties))
    for name in ("content_type", "content_encoding", "message_id", "type", "app_id", "timestamp", "priority"):
        assert getattr(theirs, name) == getattr(properties, name)
    assert (theirs.headers or {}) == properties.headers
    assert theirs.delivery_mode == 2


@given(st.binary(max_size=200))
def test_any_bytes_decode_to_something_that_can_be_published_again(garbage: bytes) -> None:
    properties = decode_properties(garbage)
    again = decode_properties(encode_properties(properties))
    assert repr(again) == repr(properties)


def test_expiry_user_and_delivery_mode_of_the_original_are_left_behind() -> None:
    theirs = BasicProperties(
        message_id="1", expiration="60000", user_id="guest", cluster_id="c", delivery_mode=1, headers={"a": 1}
    )
    ours = decode_properties(b"".join(theirs.encode()))
    assert ours == Properties(message_id="1", headers={"a": 1})
    again = BasicProperties().decode(encode_properties(ours))
    assert (again.expiration, again.user_id, again.cluster_id, again.delivery_mode) == (None, None, None, 2)


def test_text_that_is_not_utf8_becomes_readable_and_stays_within_its_limit() -> None:
    flags, length = b"\0\x80", b"\xff"  # only a message id, of 255 bytes
    message_id = decode_properties(flags + length + b"\xff" * 255).message_id
    assert message_id is not None
    assert message_id.startswith("\\xff\\xff")
    assert len(message_id.encode()) <= 255


@pytest.mark.parametrize(
    "properties",
    [Properties(message_id="é" * 128), Properties(priority=256), Properties(timestamp=-1), Properties(timestamp=2**64)],
)
def test_what_does_not_fit_is_a_value_error(properties: Properties) -> None:
    with pytest.raises(ValueError, match=r"message_id|priority|timestamp"):
        encode_properties(properties)


def test_headers_that_fit_are_left_alone() -> None:
    properties = Properties(headers={"a": "x" * 100})
    encoded, dropped = encode_fitting(properties, {"mark": 1}, 131_072)
    assert dropped == ()
    assert decode_properties(encoded) == replace(properties, headers={"a": "x" * 100, "mark": 1})


def test_largest_foreign_header_goes_first_and_our_own_last() -> None:
    headers = {"mailroom-owed": "x" * 2000, "large": "x" * 1500, "small": "x" * 100}
    properties = Properties(message_id="1", headers=headers)
    encoded, dropped = encode_fitting(properties, {"mark": 1}, 2500)
    assert dropped == ("large",)
    assert decode_properties(encoded).headers == {"mailroom-owed": "x" * 2000, "small": "x" * 100, "mark": 1}
    assert encode_fitting(properties, {}, 1000)[1] == ("large", "small", "mailroom-owed")


@given(st.dictionaries(st.text(min_size=1, max_size=10), st.binary(max_size=400), max_size=8), st.integers(300, 2000))
def test_what_was_fitted_fits(headers: dict[str, object], limit: int) -> None:
    encoded, dropped = encode_fitting(Properties(headers=headers), {}, limit)
    assert len(encoded) + 20 <= limit
    assert set(decode_properties(encoded).headers) | set(dropped) == set(headers)
