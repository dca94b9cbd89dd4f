"""One generation of one channel: opened once, closed once; every request ends by reply, close or time-out.

pika never calls back for a request that makes the broker close the channel, and a late reply to a cancelled future
would raise inside pika and cost the whole connection (both reproduced with 1.4.4). Both are dealt with here, once.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pika import exceptions

from config.logs import get_logger
from consumer.broker_wire import WireChannel, WireConnection

if TYPE_CHECKING:
    from consumer.broker_connection import Connection

log = get_logger(__name__)

# A channel that the broker does not close when told to is stuck; then only ending the connection frees its deliveries.
CLOSE_TIMEOUT = 10.0

# RabbitMQ's channel process passes at most 32 acknowledgements to a quorum queue before it has heard that they were
# applied, and keeps further ones to itself; when the channel ends, those are lost and their messages delivered again
# (measured on 3.10.8: of 60 acks and a close at once, 27 were; none after 20 ms. rabbit_fifo_client.erl, soft limit).
_QUEUE_WINDOW = 32
_QUEUE_DELAY = 0.5


class ChannelLost(Exception):
    """The channel is gone, was never there, or does not answer. ``code`` is the broker's reply code, if it gave one."""

    def __init__(self, reason: str, code: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


class Channel:
    """A channel of one `Connection`; ``closed`` is done with the reason as soon as it is unusable."""

    def __init__(self, connection: "Connection", name: str) -> None:
        self.connection = connection
        self.name = name
        self.alive = False
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[ChannelLost] = self._loop.create_future()
        self._waiting: set[asyncio.Future[Any]] = set()
        self._pika: WireChannel | None = None
        self._acks: deque[float] = deque(maxlen=_QUEUE_WINDOW + 1)

    async def open(self, connection: WireConnection, *, timeout: float) -> None:
        """Open it; raises ChannelLost."""

        def start(reply: Callable[[Any], None]) -> None:
            channel: Any = connection.channel(on_open_callback=reply)
            channel.add_on_close_callback(self._on_close)
            channel.add_on_cancel_callback(self._on_cancel)
            self._pika = channel

        await self.request(start, timeout=timeout)
        if self.closed.done():
            raise self.closed.result()
        self.alive = True

    @property
    def pika(self) -> WireChannel:
        """The open pika channel. Raises ChannelLost when there is none."""
        if self._pika is None or not self.alive:
            raise ChannelLost("the channel is closed")
        return self._pika

    async def request(self, start: Callable[[Callable[[Any], None]], object], *, timeout: float) -> Any:
        """Send a request and wait for its reply.

        ``start`` is given the callback to pass to pika. Raises ChannelLost when the channel closes first or nothing
        comes within ``timeout`` seconds; after that the channel must be dropped, as a late reply would be taken for
        the next one's.
        """
        future: asyncio.Future[Any] = self._loop.create_future()

        def reply(value: Any) -> None:
            if not future.done():
                future.set_result(value)

        self._waiting.add(future)
        try:
            if self.closed.done():
                raise self.closed.result()
            async with asyncio.timeout(timeout):
                start(reply)
                return await future
        except TimeoutError:
            raise ChannelLost("no reply in time") from None  # the cause is this very limit
        except (exceptions.AMQPError, exceptions.ChannelError) as err:
            raise ChannelLost(type(err).__name__) from err
        finally:
            self._waiting.discard(future)

    async def ended(self) -> ChannelLost:
        """Wait until it is unusable; returns why."""
        await asyncio.wait((self.closed,))  # a plain await would cancel the future for everyone along with its caller
        return self.closed.result()

    def usable(self) -> bool:
        """Whether deliveries of this channel may still be acted upon: it is open, and this process was not frozen."""
        return self.alive and self.connection.liveness.fresh() and self.alive

    def ack(self, tag: int) -> bool:
        """Acknowledge one delivery; false when nothing was sent.

        Singly on purpose: with ``multiple`` a quorum queue of RabbitMQ 3.10 manages 112 messages a second.
        """
        if not self._settle(WireChannel.acknowledge, tag):
            return False
        self._acks.append(self._loop.time())
        return True

    def settling(self) -> bool:
        """Whether the broker may still hold acknowledgements of ours that it would forget if the channel ended now."""
        return len(self._acks) > _QUEUE_WINDOW and self._loop.time() - self._acks[0] < _QUEUE_DELAY

    def reject(self, tag: int) -> bool:
        """Give one delivery back to its queue, counting it as failed; false when nothing was sent."""
        return self._settle(WireChannel.basic_reject, tag)  # requeues

    def drop(self, reason: str) -> None:
        """Close it without cancelling consumers. It is dead when this returns."""
        self.end(reason)
        if self._pika is None or self._pika.is_closed or self._pika.is_closing or not self.connection.alive:
            return
        try:
            self._pika.drop()
        except Exception as err:  # noqa: BLE001 - boundary: whatever pika's state machine objects to, a cut ends it
            log.warning("broker channel close failed", error=type(err).__name__)
            self.connection.abort("channel not closed")
            return
        self._loop.call_later(CLOSE_TIMEOUT, self._check_closed)

    def end(self, reason: str, code: int | None = None) -> None:
        """Declare it dead: from now on nothing is acknowledged on it, and everyone who waits is told."""
        self.alive = False
        if self.closed.done():
            return
        lost = ChannelLost(reason, code)
        self.closed.set_result(lost)
        for future in tuple(self._waiting):
            if not future.done():
                future.set_exception(ChannelLost(reason, code))
        self.connection.forget(self)

    def _settle(self, send: Callable[[WireChannel, int], None], tag: int) -> bool:
        if self._pika is None or not self.usable():
            return False
        try:
            send(self._pika, tag)
        except exceptions.AMQPError:
            return False
        return True

    def _check_closed(self) -> None:
        if self._pika is None or self._pika.is_closed or not self.connection.alive:
            return
        if self.connection.blocked:  # it cannot answer while it does not read
            self._loop.call_later(CLOSE_TIMEOUT, self._check_closed)
        else:
            self.connection.abort("channel close unanswered")

    # Called by pika. Nothing may be raised from here.

    def _on_close(self, _channel: Any, error: Exception) -> None:
        code = error.reply_code if isinstance(error, exceptions.ChannelClosed) else None
        self.end(f"closed with {code}" if code else "connection lost", code)

    def _on_cancel(self, _frame: Any) -> None:
        # The broker took the consumer away (queue deleted, consumer time-out on 4.3). Acknowledging on this channel
        # any more would revive a ghost consumer there (rabbitmq-server#17317), so the channel goes as a whole.
        self.drop("cancelled by the broker")
