"""Publishing with confirms: a message counts as published when the broker has said so, and not before.

pika's write buffer has no bound and its ``basic_publish`` never waits, so the window of unconfirmed messages is the
only back-pressure there is (measured: 70 MB went into the buffer of a frozen broker without one exception).
"""

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Any

from pika import exceptions

from config.logs import get_logger
from consumer.broker_backoff import CHANNEL
from consumer.broker_channel import Channel, ChannelLost
from consumer.broker_confirms import H_PUBLISH_ID, Confirms, Pending
from consumer.broker_connection import REPLY_TIMEOUT, Connection
from consumer.broker_errors import PublishFailed, Reason
from consumer.broker_link import STABLE_AFTER, Link
from consumer.broker_properties import Properties, encode_fitting

log = get_logger(__name__)

_UNBOUNDED = contextlib.nullcontext()


class Publishing:
    """The publish channel of a link, re-made after every loss, and its window."""

    def __init__(
        self, link: Link, *, window: int, confirm_timeout: float, clock: Callable[[], float], source: random.Random
    ) -> None:
        self.generation = 0
        self._link = link
        self._confirm_timeout = confirm_timeout
        self._clock = clock
        self._random = source
        self._window = asyncio.Semaphore(window)
        self._confirms = Confirms(self._window.release)
        self._channel: Channel | None = None
        self._up = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def start(self) -> None:
        """Begin to keep a publish channel open."""
        self._task = asyncio.create_task(self._run(), name="publish")

    async def close(self) -> None:
        """Publish no more; what is unconfirmed fails as disconnected."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        self._channel = None
        self._closed = True
        self._up.set()
        self._confirms.fail_all("closed")
        self._arm()

    async def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        properties: Properties,
        *,
        mandatory: bool,
        timeout: float | None,
        still: Callable[[], bool] | None,
    ) -> None:
        """See `consumer.broker.Broker.publish`."""
        future: asyncio.Future[None] | None = None
        try:
            async with asyncio.timeout(timeout) if timeout is not None else _UNBOUNDED:
                await self._window.acquire()
                try:
                    channel = self._open_channel() or await self._ready()
                    if still is not None and not still():
                        raise PublishFailed(Reason.ABANDONED)
                    future = self._write(channel, exchange, routing_key, body, properties, mandatory)
                finally:
                    if future is None:  # otherwise the window is given back when the broker answers, whoever waits
                        self._window.release()
                await future
        except TimeoutError:
            raise PublishFailed(Reason.TIMEOUT, "the caller's limit", maybe_published=future is not None) from None

    def _write(
        self,
        channel: Channel,
        exchange: str,
        routing_key: str,
        body: bytes,
        properties: Properties,
        mandatory: bool,
    ) -> asyncio.Future[None]:
        confirms = self._confirms
        mark = {H_PUBLISH_ID: confirms.next_tag} if mandatory else {}
        try:
            encoded, dropped = encode_fitting(properties, mark, channel.connection.frame_max)
            channel.pika.publish(exchange, routing_key, encoded, body, mandatory=mandatory)
        except ValueError as err:
            raise PublishFailed(Reason.ENCODING, type(err).__name__) from err
        except (ChannelLost, exceptions.AMQPError) as err:
            raise PublishFailed(Reason.DISCONNECTED, type(err).__name__) from err
        if dropped:
            log.warning("broker headers dropped", count=len(dropped))
        future = asyncio.get_running_loop().create_future()
        confirms.add(Pending(future, self._clock() + self._confirm_timeout))
        if self._timer is None:
            self._arm()
        return future

    def _open_channel(self) -> Channel | None:
        channel = self._channel
        if channel is None or self._closed or channel.connection.blocked or not channel.usable():
            return None
        return channel

    async def _ready(self) -> Channel:
        """The open publish channel of a connection that the broker reads from."""
        while not self._closed:
            channel = self._channel
            if channel is None or not channel.alive:
                self._up.clear()
                try:
                    async with asyncio.timeout(self._confirm_timeout):
                        await self._up.wait()
                except TimeoutError:
                    raise PublishFailed(Reason.DISCONNECTED, "no connection") from None
            elif channel.connection.blocked:
                await channel.connection.unblocked()
            elif self._open_channel() is channel:
                return channel
        raise PublishFailed(Reason.DISCONNECTED, "closed")

    async def _run(self) -> None:
        failures = 0
        while True:
            connection = await self._link.up()
            began: float | None = None
            try:
                channel = await self._open(connection)
                began = self._clock()
                lost = await channel.ended()
            except ChannelLost as err:
                lost = err
            except Exception as err:  # boundary: without a publish channel nothing can be settled
                log.exception("broker publish channel failed", error=type(err).__name__)
                lost = ChannelLost("internal error")
            self._channel = None
            if connection.alive:
                log.warning("broker publish channel lost", reason=lost.reason)
                failures = 1 if began is not None and self._clock() - began >= STABLE_AFTER else failures + 1
                await asyncio.sleep(CHANNEL.delay(failures, self._random))

    async def _open(self, connection: Connection) -> Channel:
        channel = await connection.channel("publish")
        confirms = Confirms(self._window.release)
        channel.closed.add_done_callback(lambda closed: self._on_lost(confirms, closed.result()))

        def returned(_channel: Any, method: Any, header: Any, _body: bytes) -> None:
            tag = header.properties.headers.get(H_PUBLISH_ID)
            confirms.mark_returned(tag, str(method.reply_code))

        channel.pika.add_on_return_callback(returned)
        channel.pika.on_confirm = confirms.confirm
        try:
            await channel.request(
                lambda reply: channel.pika.confirm_delivery(_never, callback=reply), timeout=REPLY_TIMEOUT
            )
        except BaseException:
            channel.drop("not publishing")
            raise
        self.generation += 1
        self._confirms, self._channel = confirms, channel
        self._up.set()
        return channel

    def _on_lost(self, confirms: Confirms, lost: ChannelLost) -> None:
        confirms.fail_all(lost.reason)

    def _arm(self) -> None:
        """One timer for the oldest message, instead of one for each."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._confirms.next_deadline
        if deadline is not None:
            delay = max(deadline - self._clock(), 0.0)
            self._timer = asyncio.get_running_loop().call_later(delay, self._expire)

    def unblocked(self) -> None:
        """The broker reads again: what it could not answer meanwhile gets the whole time for its answer."""
        self._confirms.restart(self._clock() + self._confirm_timeout)

    def _expire(self) -> None:
        self._timer = None
        now, channel, confirms = self._clock(), self._channel, self._confirms
        if channel is not None and channel.connection.blocked:
            # It does not read, so it cannot answer; this says nothing about the messages.
            confirms.restart(now + self._confirm_timeout)
        elif confirms.expire(now) and channel is not None:
            # The answers may come yet, or a queue has lost its leader: this channel is not trusted any more.
            channel.drop("confirm timeout")
        self._arm()


def _never(_frame: object) -> None:
    """What pika would call if confirms did not take the short way."""
