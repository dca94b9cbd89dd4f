"""Whatever a stranger writes into the headers of a message: the connection lives, and a republish carries it on.

With pika's own decoding several of these end the connection, again and again, as the broker redelivers.
"""

import struct
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import amqp
import pytest
from amqp.serialization import GenericContent

from consumer.broker import Incoming, Properties
from consumer.broker_tables import RawField
from tests.integration.broking import Inbox, broker, declare, other_client, put
from tests.waiting import eventually

pytestmark = pytest.mark.versions


def field(kind: bytes, data: bytes, name: bytes = b"odd") -> bytes:
    """One field of a table."""
    return bytes((len(name),)) + name + kind + data


def long(data: bytes) -> bytes:
    """Content with its length in front."""
    return struct.pack(">I", len(data)) + data


def nested(levels: int) -> bytes:
    """A table in a table in a table."""
    table = b""
    for _ in range(levels):
        table = field(b"F", long(table))
    return table


# name, type letter, data, what we make of it
FIELDS: list[tuple[str, bytes, bytes, object]] = [
    ("boolean", b"t", b"\1", True),
    ("int8", b"b", b"\x80", -128),
    ("uint8", b"B", b"\xff", 255),
    ("int16", b"s", b"\x80\0", -32768),
    ("uint16", b"u", b"\xff\xff", 65535),
    ("int32", b"I", b"\x80\0\0\0", -(2**31)),
    ("uint32", b"i", b"\xff\xff\xff\xff", 2**32 - 1),
    ("int64", b"l", b"\x80" + bytes(7), -(2**63)),
    ("int64 of py-amqp", b"L", b"\x7f" + b"\xff" * 7, 2**63 - 1),
    ("float", b"f", struct.pack(">f", 1.5), 1.5),
    ("double", b"d", struct.pack(">d", 0.1), 0.1),
    ("decimal", b"D", struct.pack(">Bi", 2, -12345), Decimal("-123.45")),
    ("decimal of scale 255", b"D", struct.pack(">Bi", 255, 1), Decimal("1E-255")),
    ("string", b"S", long("é".encode()), "é"),
    ("string that is not UTF-8", b"S", long(b"\xff\xfe"), RawField(b"S", b"\xff\xfe")),
    ("bytes", b"x", long(b"\0\xff"), b"\0\xff"),
    ("date", b"T", struct.pack(">Q", 1_790_000_000), datetime.fromtimestamp(1_790_000_000, UTC)),
    ("date after the year 9999", b"T", struct.pack(">Q", 2**62), RawField(b"T", struct.pack(">Q", 2**62))),
    (
        "date in milliseconds",
        b"T",
        struct.pack(">Q", 1_790_000_000_000_000),
        RawField(b"T", struct.pack(">Q", 1_790_000_000_000_000)),
    ),
    ("nothing", b"V", b"", None),
    ("table", b"F", long(field(b"I", b"\0\0\0\1", b"one")), {"one": 1}),
    ("array", b"A", long(b"I\0\0\0\1" + b"V" + b"S" + long(b"x")), [1, None, "x"]),
]


def publish_raw(url: str, queue: str, table: bytes) -> None:
    """Publish with header bytes exactly as given: no client library would write some of them."""

    class Raw(GenericContent):
        """Writes a property list with only the headers and the delivery mode."""

        CLASS_ID = 60

        def __init__(self) -> None:
            super().__init__()
            self.body = b"body"

        def _serialize_properties(self) -> bytes:
            return struct.pack(">H", 1 << 13 | 1 << 12) + long(table) + b"\x02"

    with other_client(url) as channel:
        channel.confirm_select()
        channel.basic_publish_confirm(Raw(), routing_key=queue, timeout=10)


async def there_and_back(url: str, table: bytes) -> tuple[Any, Any]:
    """The headers as they came, and as they come after a republish of ours."""
    publish_raw(url, "work", table)
    inbox = Inbox(ack=True)
    async with broker(url) as client:
        subscription = client.subscribe("work", prefetch=1, on_message=inbox)
        [first] = await inbox.holds(1)
        await client.publish("", "work", first.body, first.properties)
        _, second = await inbox.holds(2)
        assert subscription.generation == 1
        return _headers(first), _headers(second)


def _headers(message: Incoming) -> dict[str, object]:
    return {name: value for name, value in message.properties.headers.items() if name != "x-delivery-count"}


@pytest.mark.parametrize(("kind", "data", "value"), [one[1:] for one in FIELDS], ids=[one[0] for one in FIELDS])
async def test_field_of_every_type_survives_there_and_back(vhost: str, kind: bytes, data: bytes, value: object) -> None:
    declare(vhost, "work")
    assert await there_and_back(vhost, field(kind, data)) == ({"odd": value}, {"odd": value})


async def test_name_that_is_not_utf8_survives(vhost: str) -> None:
    declare(vhost, "work")
    first, second = await there_and_back(vhost, field(b"I", b"\0\0\0\7", b"\xff\xfe"))
    assert first == second == {"\udcff\udcfe": 7}


async def test_deeply_nested_table_is_carried_without_recursion(vhost: str) -> None:
    declare(vhost, "work")
    first, second = await there_and_back(vhost, nested(5000))
    assert first == second


@pytest.mark.parametrize(
    "table",
    [
        field(b"I", b"\0\0\0\1", b"good") + field(b"?", b"whatever"),
        field(b"I", b"\0\0\0\1", b"good") + b"\xff",
        field(b"I", b"\0\0\0\1", b"good") + field(b"S", struct.pack(">I", 1000) + b"short"),
        field(b"I", b"\0\0\0\1", b"good") + field(b"d", struct.pack(">d", float("nan"))),
    ],
    ids=["unknown type", "cut name", "cut value", "not a number"],
)
async def test_what_the_broker_cannot_read_itself_either_stays_out_or_does_no_harm(vhost: str, table: bytes) -> None:
    """RabbitMQ 3.10 reads the headers of what goes to a quorum queue, and ends the publisher's connection."""
    declare(vhost, "work")
    try:
        first, second = await there_and_back(vhost, table)
    except amqp.InternalError:
        return
    assert first["good"] == second["good"] == 1


async def test_properties_that_are_not_utf8_are_readable_and_can_be_published_again(vhost: str) -> None:
    declare(vhost, "work")

    class Raw(GenericContent):
        CLASS_ID = 60
        body = b"body"

        def _serialize_properties(self) -> bytes:
            return struct.pack(">H", 1 << 12 | 1 << 7) + b"\x02" + b"\xff" + b"\xfe" * 255

    with other_client(vhost) as channel:
        channel.confirm_select()
        channel.basic_publish_confirm(Raw(), routing_key="work", timeout=10)
    inbox = Inbox(ack=True)
    async with broker(vhost) as client:
        client.subscribe("work", prefetch=1, on_message=inbox)
        [first] = await inbox.holds(1)
        assert first.properties.message_id is not None
        assert first.properties.message_id.startswith("\\xfe\\xfe")
        await client.publish("", "work", first.body, first.properties)
        assert (await inbox.holds(2))[1].properties == first.properties


async def test_headers_that_no_longer_fit_a_frame_lose_the_largest_foreign_ones(vhost: str) -> None:
    """The broker ends the connection on a header frame that is too long; the message could never be settled."""
    declare(vhost, "work")
    put(vhost, "work", ["body"], {"large": "x" * 100_000, "small": "y" * 29_000, "organizationid": "acme"})
    inbox = Inbox(ack=True)
    async with broker(vhost) as client:
        client.subscribe("work", prefetch=1, on_message=inbox)
        [first] = await inbox.holds(1)
        ours = {"mailroom-owed": list(range(1000)), "mailroom-reason": "r" * 3000}
        await client.publish("", "work", b"again", Properties(headers={**first.properties.headers, **ours}))
        _, second = await inbox.holds(2)
        headers = dict(second.properties.headers)
        assert "large" not in headers
        assert headers["mailroom-owed"] == list(range(1000))
        assert headers["small"] == "y" * 29_000
        assert headers["organizationid"] == "acme"
        await eventually(lambda: client.connected)
