"""The frames that come and go with every single message, to bytes and back: delivery, publish, ack, confirm.

pika makes three or four objects of each and looks for callbacks at each (measured: half of the processor time of taking
a message and putting it aside). Everything else on a connection is left to pika. Layouts: AMQP 0-9-1, 2.3.5 (frames),
2.3.5.2 (content) and the methods of class ``basic``. Nothing here knows connections.
"""

import struct
from dataclasses import dataclass
from typing import Final

from consumer.broker_properties import Properties

METHOD: Final = 1
HEADER: Final = 2
BODY: Final = 3
END: Final = 0xCE

FRAME_HEAD: Final = struct.Struct(">BHL")
"""Type, channel, size of what follows up to the end octet."""

HEAD_SIZE: Final = FRAME_HEAD.size
CONTENT_HEAD: Final = struct.Struct(">HHQ")
"""Class, weight and size of the body; properties follow."""

INDEX: Final = struct.Struct(">L")
"""Class and method of a method frame, as one number."""

DELIVER: Final = 60 << 16 | 60
ACK: Final = 60 << 16 | 80
NACK: Final = 60 << 16 | 120

CONFIRM: Final = struct.Struct(">QB")
"""The tag of an ack or nack and its bits, of which the first is *multiple*."""

_DELIVER_TAG: Final = struct.Struct(">QB")
_ACK: Final = struct.Struct(">BHLLQBB")
_PUBLISH_HEAD: Final = struct.Struct(">BHLLH")
_HEADER_HEAD: Final = struct.Struct(">BHLHHQ")
_END: Final = bytes((END,))
_NONE: Final = Properties()


@dataclass(slots=True)
class Content:
    """A delivery: complete once ``missing`` octets of its body, which is in ``parts``, are none."""

    tag: int
    redelivered: bool
    exchange: str
    routing_key: str
    properties: Properties = _NONE
    missing: int = 0
    body: bytes = b""
    parts: list[bytes] | None = None

    def add(self, part: bytes) -> bool:
        """Takes the next part of the body; whether it was the last. Raises ValueError for more than was announced."""
        self.missing -= len(part)
        if self.missing < 0:
            raise ValueError("the body is longer than its header says")
        if self.parts is None:
            if not self.missing:  # nearly every message fits one frame
                self.body = part
                return True
            self.parts = []
        self.parts.append(part)
        if self.missing:
            return False
        self.body = b"".join(self.parts)
        return True


def read_deliver(data: bytes, offset: int) -> Content:
    """Reads ``basic.deliver`` from behind its class and method."""
    offset += 1 + data[offset]  # the consumer's tag: there is one consumer to a channel
    tag, bits = _DELIVER_TAG.unpack_from(data, offset)
    offset += _DELIVER_TAG.size
    middle = offset + 1 + data[offset]
    end = middle + 1 + data[middle]
    return Content(tag, bool(bits & 1), _text(data[offset + 1 : middle]), _text(data[middle + 1 : end]))


def ack(channel: int, tag: int) -> bytes:
    """The whole frame of one ``basic.ack`` for one message."""
    return _ACK.pack(METHOD, channel, 13, ACK, tag, 0, END)


def publish(
    channel: int, exchange: str, routing_key: str, header: bytes, body: bytes, *, mandatory: bool, frame_max: int
) -> list[bytes]:
    """The frames of ``basic.publish`` with its content, in pieces; ``header`` are its encoded properties.

    Raises ValueError for an exchange or a routing key beyond 255 octets.
    """
    place = _short(exchange) + _short(routing_key)
    pieces = [
        _PUBLISH_HEAD.pack(METHOD, channel, 7 + len(place), 60 << 16 | 40, 0) + place + (b"\1" if mandatory else b"\0"),
        _END + _HEADER_HEAD.pack(HEADER, channel, CONTENT_HEAD.size + len(header), 60, 0, len(body)) + header + _END,
    ]
    most = frame_max - HEAD_SIZE - 1
    if len(body) <= most:
        if body:
            pieces += (FRAME_HEAD.pack(BODY, channel, len(body)), body, _END)
        return pieces
    for start in range(0, len(body), most):
        part = body[start : start + most]
        pieces += (FRAME_HEAD.pack(BODY, channel, len(part)), part, _END)
    return pieces


def _short(text: str) -> bytes:
    encoded = text.encode("utf-8", "surrogateescape")
    if len(encoded) > 255:
        raise ValueError("the name of an exchange, or a routing key, is longer than 255 bytes")
    return bytes((len(encoded),)) + encoded


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("utf-8", "backslashreplace")
