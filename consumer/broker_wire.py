"""pika's connection and channel with three seams changed; the only place that touches pika's protected methods.

* Content headers are decoded here, so that a stranger's message cannot tear the connection down
  (`consumer.broker_tables` says how pika's decoding does that).
* Channels and connections can be ended **without ``basic.cancel``**. pika's own ``close`` cancels every consumer
  first (pika#1208). A cancel hands a single-active-consumer queue to another replica while we still hold its
  deliveries, and pika rejects with requeue what is in flight: each of those messages loses one of its lives.
* Frames written in one turn of the event loop leave in one system call: pika makes one ``send`` for every frame, three
  for every message published.

The lock file pins pika; ``tests/integration/test_broker_*`` fail if a newer one moves these seams.
"""

import asyncio
import struct
from typing import Any, Final

from pika import exceptions, frame, spec
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.channel import Channel
from pika.connection import Parameters

from consumer.broker_properties import Properties, decode_properties

_FRAME_HEAD: Final = struct.Struct(">BHL")
_CONTENT_HEAD: Final = struct.Struct(">HHQ")
_END: Final = b"\xce"


class ContentHeader(spec.BasicProperties):
    """What pika hands around as the properties of a message: ours, already decoded or already encoded."""

    def __init__(self, properties: Properties, encoded: bytes = b"") -> None:
        super().__init__()
        self.properties = properties
        self._encoded = encoded

    def encode(self) -> list[bytes]:
        return [self._encoded]


class WireChannel(Channel):
    """A channel that can be dropped without cancelling its consumers."""

    def drop(self) -> None:
        """Send ``channel.close`` and nothing before it; what is unacknowledged goes back to its queue."""
        pika: Any = self
        pika._closing_reason = exceptions.ChannelClosedByClient(0, "dropped")
        pika._set_state(self.CLOSING)
        pika._rpc(spec.Channel.Close(0, "dropped", 0, 0), pika._on_closeok, [spec.Channel.CloseOk])


class WireConnection(AsyncioConnection):
    """A connection with our decoding, joined writes, and two ways to end that never cancel."""

    def __init__(self, parameters: Parameters, *, loop: asyncio.AbstractEventLoop, **callbacks: Any) -> None:
        self._loop = loop
        self._outgoing: list[bytes] = []
        super().__init__(parameters, custom_ioloop=loop, **callbacks)

    def hang_up(self) -> None:
        """Send what is written and then ``connection.close``, without cancelling consumers or closing channels.

        A plain disconnect would not do: with deliveries unread in our socket the kernel answers by a reset, and a
        reset makes the broker's side forget acks that it has not read yet. ``connection.close`` is read after them.
        """
        pika: Any = self
        pika._set_connection_state(self.CONNECTION_CLOSING)
        pika._error = exceptions.ConnectionClosedByClient(200, "closed")
        pika._send_connection_close(200, "closed")
        self.flush()

    def abort(self) -> None:
        """Cut the connection without a word; safe in every state."""
        pika: Any = self
        self._outgoing.clear()
        if not pika._opened:
            if not (self.is_closed or self.is_closing):
                self.close()
        elif pika._transport is not None:
            pika._terminate_stream(exceptions.StreamLostError("aborted by this side"))

    def flush(self) -> None:
        """Hand the frames of this turn to the transport."""
        pika: Any = self
        if self._outgoing:
            data = b"".join(self._outgoing)
            self._outgoing.clear()
            if pika._transport is not None:
                pika._transport.write(data)

    def _adapter_emit_data(self, data: bytes) -> None:
        if not self._outgoing:
            self._loop.call_soon(self.flush)
        self._outgoing.append(data)

    def _create_channel(self, channel_number: int, on_open_callback: Any) -> Channel:
        return WireChannel(self, channel_number, on_open_callback)

    def _read_frame(self) -> tuple[int, Any]:
        buffer: bytes = self._frame_buffer  # type: ignore[attr-defined]  # protected, so not in the stubs
        if len(buffer) < _FRAME_HEAD.size or buffer[0] != spec.FRAME_HEADER:
            return frame.decode_frame(buffer)
        _type, channel, size = _FRAME_HEAD.unpack_from(buffer)
        end = _FRAME_HEAD.size + size
        if len(buffer) <= end:
            return 0, None
        if buffer[end : end + 1] != _END:
            raise exceptions.InvalidFrameError("Invalid FRAME_END marker")
        _class, _weight, body_size = _CONTENT_HEAD.unpack_from(buffer, _FRAME_HEAD.size)
        properties = decode_properties(buffer[_FRAME_HEAD.size + _CONTENT_HEAD.size : end])
        return end + 1, frame.Header(channel, body_size, ContentHeader(properties))
