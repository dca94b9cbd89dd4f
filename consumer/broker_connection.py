"""One generation of one pika connection: opened once, lost once, never repaired.

A new connection is a new object; whatever belongs to an old one can tell, because its ``alive`` is false for good.
Deciding when to connect again is `consumer.broker_link`'s part.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pika
from pika import exceptions

from config.logs import get_logger
from consumer.broker_channel import Channel, ChannelLost
from consumer.broker_endpoints import Problem, classify
from consumer.broker_liveness import Liveness
from consumer.broker_wire import WireConnection

log = get_logger(__name__)

# How long the broker may take to answer a channel's opening, closing or any other request.
REPLY_TIMEOUT = 15.0
SETTLE_POLL = 0.05


class ConnectFailed(Exception):
    """An attempt to connect ended without a connection; ``problem`` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class Connection:
    """A live connection, until ``lost`` is done.

    Losing it is synchronous: as soon as ``alive`` is false, all its channels are dead and none of their deliveries
    can be acknowledged, whatever the socket still holds.
    """

    def __init__(self, liveness: Liveness, on_change: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        self.liveness = liveness
        self.lost: asyncio.Future[str] = loop.create_future()
        self.alive = False
        self.server_version: tuple[int, ...] = ()
        self._loop = loop
        self._opened: asyncio.Future[None] = loop.create_future()
        self._closed: asyncio.Future[None] = loop.create_future()
        self._unblocked = asyncio.Event()
        self._unblocked.set()
        self._channels: set[Channel] = set()
        self._on_change = on_change
        self._pika: WireConnection | None = None
        self._bytes = 0
        self._heard = self._ticked = 0.0

    @classmethod
    async def open(
        cls, parameters: pika.ConnectionParameters, liveness: Liveness, on_change: Callable[[], None], *, timeout: float
    ) -> "Connection":
        """Connect, or raise ConnectFailed within ``timeout`` seconds for each address of the host, plus two."""
        self = cls(liveness, on_change)
        try:
            # pika bounds the socket and the handshake itself (parameters); the outer limit is for name resolution.
            async with asyncio.timeout(timeout * 2 + 2):
                self._pika = WireConnection(
                    parameters,
                    on_open_callback=self._on_open,
                    on_open_error_callback=self._on_open_error,
                    on_close_callback=self._on_close,
                    loop=self._loop,
                )
                await self._opened
        except TimeoutError:
            self.abort("connect timeout")
            raise ConnectFailed(Problem.TIMEOUT) from None  # the cause is this very limit
        except ConnectFailed:
            self.abort("not connected")
            raise
        except Exception as err:  # boundary: whatever pika makes of an address, it is one that does not work
            self.abort("not connected")
            raise ConnectFailed(classify(err)) from err
        except asyncio.CancelledError:
            self.abort("connect given up")
            raise
        return self

    @property
    def blocked(self) -> bool:
        """Whether the broker has stopped reading from us (memory or disk alarm)."""
        return not self._unblocked.is_set()

    async def unblocked(self) -> None:
        """Wait until the broker reads from us; returns at once when it does. Also returns when the connection ends."""
        await self._unblocked.wait()

    async def ended(self) -> str:
        """Wait until it is lost; returns why."""
        await asyncio.wait((self.lost,))  # a plain await would cancel the future for everyone along with its caller
        return self.lost.result()

    @property
    def frame_max(self) -> int:
        """The negotiated frame size in bytes."""
        return self._pika.frame_max if self._pika else 131_072

    async def channel(self, name: str) -> Channel:
        """Open a channel; raises ChannelLost when that fails or takes too long."""
        # The broker answers nothing on a blocked connection, so asking would only end in a time-out.
        await self._unblocked.wait()
        if not self.alive or self._pika is None:
            raise ChannelLost("the connection is gone")
        channel = Channel(self, name)
        self._channels.add(channel)
        try:
            await channel.open(self._pika, timeout=REPLY_TIMEOUT)
        except BaseException:
            channel.drop("not opened")
            raise
        return channel

    def forget(self, channel: Channel) -> None:
        """Called by a channel when it is closed."""
        self._channels.discard(channel)

    def tick(self, now: float) -> None:
        """Once a second: end the connection when the broker has been silent for longer than it may be."""
        if not self.alive or self._pika is None:
            return
        if self._pika.bytes_received != self._bytes:
            self._bytes = self._pika.bytes_received
            # The bytes came at some time since the last tick: the earlier end is the one that is safe to assume.
            self._heard = self._ticked or now
        self._ticked = now
        if now - self._heard > self.liveness.limit:
            self.abort("broker silent")

    def abort(self, reason: str) -> None:
        """Cut it now. Its deliveries are stale when this returns; the broker finds out by itself."""
        self._end(reason)
        if self._pika is not None:
            try:
                self._pika.abort()
            except Exception as err:  # noqa: BLE001 - boundary: pika asserts on its own states; we are done with it anyway
                log.warning("broker abort failed", error=type(err).__name__)

    async def hang_up(self, timeout: float) -> None:
        """Close after everything written has gone out, without cancelling a consumer; at most ``timeout`` seconds.

        When it returns normally the broker has processed every ack that was written before, and given back
        everything else.
        """
        if self._pika is None or not self.alive:
            return
        try:
            async with asyncio.timeout(timeout):
                while any(channel.settling() for channel in self._channels):  # noqa: ASYNC110 - only time will tell
                    await asyncio.sleep(SETTLE_POLL)
                if not self.lost.done():
                    self._end("closed")
                    self._pika.hang_up()
                    await self._closed
        except TimeoutError:
            log.warning("broker close timed out")
        finally:
            self.abort("closed")

    # Called by pika. Nothing may be raised from here: an exception in a callback tears the connection down.

    def _on_open(self, connection: Any) -> None:
        version = str((connection.server_properties or {}).get("version", ""))
        self.server_version = parse_version(version)
        connection.add_on_connection_blocked_callback(self._on_blocked)
        connection.add_on_connection_unblocked_callback(self._on_unblocked)
        if self._opened.done():  # given up in the meantime
            connection.abort()
            return
        self._heard = self._ticked = self.liveness.now()
        self.alive = True
        self._opened.set_result(None)

    def _on_open_error(self, _connection: Any, error: BaseException | str) -> None:
        if not self._opened.done():
            self._opened.set_exception(ConnectFailed(classify(error)))

    def _on_close(self, _connection: Any, error: BaseException) -> None:
        if not self._closed.done():
            self._closed.set_result(None)
        self._end(describe(error))

    def _on_blocked(self, _connection: Any, _frame: Any) -> None:
        self._unblocked.clear()
        log.warning("broker blocked publishing")
        self._on_change()

    def _on_unblocked(self, _connection: Any, _frame: Any) -> None:
        self._unblocked.set()
        log.info("broker unblocked publishing")
        self._on_change()

    def _end(self, reason: str) -> None:
        self.alive = False
        if not self._opened.done():
            self._opened.cancel()
        if self.lost.done():
            return
        self.lost.set_result(reason)
        for channel in tuple(self._channels):
            channel.end(reason)
        self._unblocked.set()


def parse_version(text: str) -> tuple[int, ...]:
    """``"3.10.8"`` → ``(3, 10, 8)``; whatever follows the numbers is left out."""
    match = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(int(number) for number in match[0].split(".")) if match else ()


def describe(error: BaseException) -> str:
    """Why pika says that a channel or connection ended, in words that are safe to log: reply code, no reply text."""
    if isinstance(error, exceptions.ConnectionClosed | exceptions.ChannelClosed):
        return f"closed with {error.reply_code}"
    if isinstance(error, exceptions.AMQPHeartbeatTimeout):
        return "broker silent"
    return str(classify(error))
