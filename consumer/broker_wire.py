"""pika's connection and channel with four seams changed; the only place that touches pika's protected methods.

* Content headers are decoded here, so that a stranger's message cannot tear the connection down
  (`consumer.broker_tables` says how pika's decoding does that).
* Channels and connections can be ended **without ``basic.cancel``**. pika's own ``close`` cancels every consumer
  first (pika#1208). A cancel hands a single-active-consumer queue to another replica while we still hold its
  deliveries, and pika rejects with requeue what is in flight: each of those messages loses one of its lives.
* Frames written in one turn of the event loop leave in one system call: pika makes one ``send`` for every frame, three
  for every message published.
* What comes and goes with every message (`consumer.broker_frames`) takes a short way past pika's callbacks.

The lock file pins pika; ``tests/integration/test_broker_*`` fail if a newer one moves these seams.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final

from pika import exceptions, frame, spec
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.channel import Channel
from pika.connection import Parameters

from consumer import broker_frames as frames
from consumer.broker_properties import Properties, decode_properties

# pika asks the socket for 4 KiB at a time; a message with its headers is about as long.
_RECEIVE: Final = 65_536
_PROTOCOL: Final = ord("A")  # of "AMQP": the answer of a server that speaks another version


class ContentHeader(spec.BasicProperties):
    """What pika hands around as the properties of a message it gives us: ours, already decoded."""

    def __init__(self, properties: Properties) -> None:
        super().__init__()
        self.properties = properties


class WireChannel(Channel):
    """A channel that can be dropped without cancelling its consumers, with a short way for messages.

    ``on_delivery`` is given what its one consumer gets, ``on_confirm`` a tag, *multiple* and whether it was accepted.
    Nothing may be raised from them.
    """

    on_delivery: Callable[[frames.Content], None] | None = None
    on_confirm: Callable[[int, bool, bool], None] | None = None

    def acknowledge(self, tag: int) -> None:
        """Send one ``basic.ack``. Raises ChannelWrongStateError."""
        self._must_be_open()
        self._wire.emit((frames.ack(self.channel_number, tag),))

    def publish(self, exchange: str, routing_key: str, header: bytes, body: bytes, *, mandatory: bool) -> None:
        """Send a message; ``header`` are its encoded properties. Raises ChannelWrongStateError, or ValueError."""
        self._must_be_open()
        wire = self._wire
        wire.emit(
            frames.publish(
                self.channel_number, exchange, routing_key, header, body, mandatory=mandatory, frame_max=wire.frame_max
            )
        )

    @property
    def _wire(self) -> "WireConnection":
        wire: WireConnection = self.connection  # type: ignore[assignment]  # it made this channel
        return wire

    def _must_be_open(self) -> None:
        if not self.is_open:
            raise exceptions.ChannelWrongStateError("the channel is not open")

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
        self._contents: dict[int, frames.Content] = {}
        super().__init__(parameters, custom_ioloop=loop, **callbacks)

    @property
    def frame_max(self) -> int:
        """The negotiated frame size in bytes."""
        params: Any = self.params
        return int(params.frame_max)

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

    def emit(self, pieces: Iterable[bytes]) -> None:
        """Send these bytes with the others of this turn."""
        if not self._outgoing:
            self._loop.call_soon(self.flush)
        self._outgoing += pieces

    def _adapter_emit_data(self, data: bytes) -> None:
        self.emit((data,))

    def _create_channel(self, channel_number: int, on_open_callback: Any) -> Channel:
        self._contents.pop(channel_number, None)
        return WireChannel(self, channel_number, on_open_callback)

    def _proto_connection_made(self, transport: Any) -> None:
        transport._MAX_RECV_BYTES = _RECEIVE
        super()._proto_connection_made(transport)  # type: ignore[misc]  # protected, so not in the stubs

    def _on_data_available(self, data_in: bytes) -> None:
        pika: Any = self
        pika.bytes_received += len(data_in)
        data: bytes = pika._frame_buffer + data_in if pika._frame_buffer else data_in
        begin, size = 0, len(data)
        while size - begin > frames.HEAD_SIZE:
            kind, number, length = frames.FRAME_HEAD.unpack_from(data, begin)
            if kind == _PROTOCOL:
                begin = size  # it closes the connection next
                break
            start = begin + frames.HEAD_SIZE
            end = start + length
            if end >= size:
                break
            if data[end] != frames.END:
                raise exceptions.InvalidFrameError("Invalid FRAME_END marker")
            channel = pika._channels.get(number)
            if channel is None or not self._quickly(channel, kind, data, start, end):
                pika._process_frame(self._frame(kind, number, data, start, end))
            begin = end + 1
        pika._frame_buffer = data[begin:]

    def _quickly(self, channel: WireChannel, kind: int, data: bytes, start: int, end: int) -> bool:
        """Deals with a frame that belongs to a delivery or is a confirm; whether it was one."""
        number = channel.channel_number
        if kind == frames.METHOD:
            index = frames.INDEX.unpack_from(data, start)[0]
            if index == frames.DELIVER and channel.on_delivery is not None:
                self._contents[number] = frames.read_deliver(data, start + 4)
            elif index in (frames.ACK, frames.NACK) and channel.on_confirm is not None:
                tag, bits = frames.CONFIRM.unpack_from(data, start + 4)
                channel.on_confirm(tag, bool(bits & 1), index == frames.ACK)
            else:
                return False
            return True
        content = self._contents.get(number)
        if content is None:
            return False
        if kind == frames.HEADER:
            content.missing = frames.CONTENT_HEAD.unpack_from(data, start)[2]
            content.properties = decode_properties(data[start + frames.CONTENT_HEAD.size : end])
            complete = not content.missing
        else:
            complete = content.add(data[start:end])
        if complete:
            del self._contents[number]
            if channel.on_delivery is not None:
                channel.on_delivery(content)
        return True

    @staticmethod
    def _frame(kind: int, number: int, data: bytes, start: int, end: int) -> Any:
        if kind != frames.HEADER:
            return frame.decode_frame(data[start - frames.HEAD_SIZE : end + 1])[1]
        size = frames.CONTENT_HEAD.unpack_from(data, start)[2]
        properties = decode_properties(data[start + frames.CONTENT_HEAD.size : end])
        return frame.Header(number, size, ContentHeader(properties))
