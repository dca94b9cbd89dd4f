"""The short way of messages past pika: the same bytes as pika's, and the same messages however the stream is cut."""

import asyncio
import random
from itertools import pairwise
from typing import Any

import pika
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pika import exceptions, frame, spec

from consumer import broker_frames as frames
from consumer.broker_properties import Properties, encode_properties
from consumer.broker_wire import WireChannel, WireConnection

FRAME_MAX = 4096
SHORT = st.text(max_size=60)


def theirs(channel: int, method: Any, properties: Properties | None = None, body: bytes = b"") -> bytes:
    """What pika, or a broker, writes for a method and the content that goes with it."""
    pieces = [frame.Method(channel, method).marshal()]
    if properties is not None:
        headers = dict(properties.headers) or None
        pieces.append(
            frame.Header(
                channel,
                len(body),
                pika.BasicProperties(headers=headers, message_id=properties.message_id, delivery_mode=2),
            ).marshal()
        )
        most = FRAME_MAX - 8
        pieces += [frame.Body(channel, body[at : at + most]).marshal() for at in range(0, len(body), most)]
    return b"".join(pieces)


@given(st.integers(1, 65_535), SHORT, SHORT, st.binary(max_size=3 * FRAME_MAX), st.booleans())
def test_a_message_is_written_as_pika_writes_it(
    channel: int, exchange: str, key: str, body: bytes, mandatory: bool
) -> None:
    properties = Properties(message_id="id", headers={"a": 1})
    header = encode_properties(properties)
    ours = frames.publish(channel, exchange, key, header, body, mandatory=mandatory, frame_max=FRAME_MAX)
    method = spec.Basic.Publish(exchange=exchange, routing_key=key, mandatory=mandatory)
    assert b"".join(ours) == theirs(channel, method, properties, body)


@given(st.integers(1, 65_535), st.integers(0, 2**64 - 1))
def test_an_acknowledgement_is_written_as_pika_writes_it(channel: int, tag: int) -> None:
    assert frames.ack(channel, tag) == theirs(channel, spec.Basic.Ack(delivery_tag=tag))


@pytest.mark.parametrize("place", [("x" * 256, "key"), ("exchange", "é" * 128)])
def test_a_name_that_amqp_cannot_carry_is_refused(place: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="longer than 255 bytes"):
        frames.publish(1, *place, b"", b"", mandatory=True, frame_max=FRAME_MAX)


class Reader:
    """A connection that was never connected: it is fed with bytes, and notes what its two channels were given."""

    def __init__(self) -> None:
        self.connection: Any = WireConnection(
            pika.ConnectionParameters(), loop=asyncio.new_event_loop(), internal_connection_workflow=False
        )
        self.delivered: list[tuple[int, frames.Content]] = []
        self.confirmed: list[tuple[int, bool, bool]] = []
        self.returned: list[tuple[Any, bytes]] = []
        for number in (1, 2):
            channel = self.channel(number)
            channel.on_delivery = lambda content, number=number: self.delivered.append((number, content))
            channel.on_confirm = lambda *confirm: self.confirmed.append(confirm)
            channel.add_on_return_callback(
                lambda _channel, method, _header, body: self.returned.append((method.reply_code, body))
            )

    def channel(self, number: int) -> WireChannel:
        channel: WireChannel = self.connection._create_channel(number, None)
        self.connection._channels[number] = channel
        return channel

    def feed(self, data: bytes, cuts: list[int] | None = None) -> None:
        edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts or []), len(data)]
        for start, end in pairwise(edges):
            if start < end:
                self.connection._on_data_available(data[start:end])

    def close(self) -> None:
        self.connection._loop.close()


@pytest.fixture
def reader():
    reader = Reader()
    yield reader
    reader.close()


def deliver(number: int, tag: int, *, body: bytes = b"body", redelivered: bool = False) -> bytes:
    method = spec.Basic.Deliver("consumer", tag, redelivered, "exchange", "key.é")
    return theirs(number, method, Properties(message_id=f"m{tag}", headers={"n": tag}), body)


@given(
    st.lists(st.integers(0, 2 * FRAME_MAX), min_size=1, max_size=4),
    st.lists(st.integers(0, 40_000), max_size=8),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_every_message_arrives_whole_however_the_stream_is_cut(sizes: list[int], cuts: list[int]) -> None:
    reader = Reader()
    bodies = [random.Random(size).randbytes(size) for size in sizes]
    stream = b"".join(
        deliver(1, tag, body=body, redelivered=bool(tag % 2)) + theirs(2, spec.Basic.Ack(delivery_tag=tag))
        for tag, body in enumerate(bodies, 1)
    )
    reader.feed(stream, cuts)
    reader.close()
    assert [content.body for _, content in reader.delivered] == bodies
    for tag, (number, content) in enumerate(reader.delivered, 1):
        assert (number, content.tag, content.redelivered) == (1, tag, bool(tag % 2))
        assert (content.exchange, content.routing_key) == ("exchange", "key.é")
        assert content.properties == Properties(message_id=f"m{tag}", headers={"n": tag})
    assert reader.confirmed == [(tag, False, True) for tag in range(1, len(bodies) + 1)]
    assert reader.connection.bytes_received == len(stream)


def test_frames_of_two_channels_may_alternate(reader: Reader) -> None:
    one, two = deliver(1, 7, body=b"1" * 6000), deliver(2, 8, body=b"2" * 6000)
    parts = [list(_frames(one)), list(_frames(two))]
    reader.feed(b"".join(part for pair in zip(*parts, strict=True) for part in pair))
    assert [(number, content.body[:1], len(content.body)) for number, content in reader.delivered] == [
        (1, b"1", 6000),
        (2, b"2", 6000),
    ]


def test_a_message_without_a_body_is_complete_with_its_header(reader: Reader) -> None:
    reader.feed(deliver(1, 1, body=b"") + deliver(1, 2))
    assert [content.body for _, content in reader.delivered] == [b"", b"body"]


def test_confirms_say_whether_and_how_many(reader: Reader) -> None:
    reader.feed(
        theirs(1, spec.Basic.Ack(delivery_tag=5, multiple=True))
        + theirs(1, spec.Basic.Nack(delivery_tag=6, multiple=False, requeue=False))
    )
    assert reader.confirmed == [(5, True, True), (6, False, False)]


def test_a_returned_message_takes_the_long_way(reader: Reader) -> None:
    method = spec.Basic.Return(312, "NO_ROUTE", "exchange", "key")
    reader.feed(theirs(1, method, Properties(headers={"n": 1}), b"back") + deliver(1, 1))
    assert reader.returned == [(312, b"back")]
    assert [content.body for _, content in reader.delivered] == [b"body"]


def test_a_frame_without_its_end_ends_the_connection(reader: Reader) -> None:
    broken = bytearray(deliver(1, 1))
    broken[-1] = 0
    with pytest.raises(exceptions.InvalidFrameError):
        reader.feed(bytes(broken))
    assert reader.delivered == []


def test_a_body_beyond_its_announced_length_ends_the_connection(reader: Reader) -> None:
    method = spec.Basic.Deliver("consumer", 1, False, "exchange", "key")
    short = theirs(1, method) + frame.Header(1, 3, pika.BasicProperties()).marshal() + frame.Body(1, b"four").marshal()
    with pytest.raises(ValueError, match="longer than its header says"):
        reader.feed(short)
    assert reader.delivered == []


def test_what_an_earlier_channel_of_the_number_was_given_in_part_is_forgotten(reader: Reader) -> None:
    method_and_header = list(_frames(deliver(1, 1)))[:2]
    reader.feed(b"".join(method_and_header))
    reader.channel(1).on_delivery = lambda content: reader.delivered.append((1, content))
    reader.feed(deliver(1, 2))
    assert [content.tag for _, content in reader.delivered] == [2]


def _frames(data: bytes):
    """The single frames of a stream."""
    while data:
        end = 8 + int.from_bytes(data[3:7], "big")
        yield data[:end]
        data = data[end:]
