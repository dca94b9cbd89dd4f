"""Consuming: one queue, one channel, one consumer; taken up again after every loss.

A delivery belongs to the channel it came on and can be acknowledged there only. When that channel is gone the broker
gives the message to someone else, so an ack that comes later is dropped here: on the next channel its tag would mean
another message, or none, and then the broker closes that channel too (406, unknown delivery tag).
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from config.logs import get_logger
from consumer.broker_backoff import CHANNEL
from consumer.broker_channel import Channel, ChannelLost
from consumer.broker_confirms import H_PUBLISH_ID
from consumer.broker_connection import REPLY_TIMEOUT, Connection
from consumer.broker_frames import Content
from consumer.broker_incoming import Incoming
from consumer.broker_link import STABLE_AFTER, Link

log = get_logger(__name__)

# A handler that raised gets the message again, but not in a tight loop.
GIVE_BACK_AFTER = 1.0


@dataclass(frozen=True, slots=True)
class Consumer:
    """What to consume, how, and whom to tell; see `consumer.broker.Broker.subscribe` for the meaning of each.

    With ``fanout`` it is a temporary queue bound to that exchange, without acknowledgements.
    """

    on_message: Callable[[Incoming], None]
    queue: str = ""
    prefetch: int = 0
    on_lost: Callable[[str], None] | None = None
    on_active: Callable[[], None] | None = None
    priority: int | None = None
    delay: Callable[[tuple[int, ...]], float] | None = None
    fanout: str | None = None

    @property
    def source(self) -> str:
        """The queue, or the exchange that is listened to, for logs and consumer tags."""
        return self.queue if self.fanout is None else self.fanout


class Subscription:
    """One consumer. ``generation`` counts the channels it has had; ``problem`` says why it is not ``active``."""

    def __init__(self, link: Link, consumer: Consumer, source: random.Random) -> None:
        self.queue = consumer.queue
        self.generation = 0
        self.problem: str | None = None
        self._link = link
        self._consumer = consumer
        self._random = source
        self._channel: Channel | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopped = False

    @property
    def active(self) -> bool:
        """Whether the broker has accepted our consumer on the channel that is open now."""
        return self._channel is not None and self._channel.alive

    def start(self) -> None:
        """Begin consuming, and go on for ever."""
        self._task = asyncio.create_task(self._run(), name=f"consume {self._consumer.source}")

    def rebuild(self, reason: str = "rebuilt") -> None:
        """Leave this channel and take a new one; everything unacknowledged goes back to the queue."""
        if self._channel is not None:
            self._channel.drop(reason)

    async def stop(self) -> None:
        """Hand over nothing more. Does not cancel the consumer: the connection is to be closed next."""
        self._stopped = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def _run(self) -> None:
        failures = 0
        clock = asyncio.get_running_loop().time
        while True:
            connection = await self._link.up()
            began: float | None = None
            try:
                if self._consumer.delay is not None:
                    await asyncio.sleep(self._consumer.delay(connection.server_version))
                self._channel = await self._consume(connection)
                began = clock()
                self.problem = None
                self._call(self._consumer.on_active)
                lost = await self._channel.ended()
            except ChannelLost as err:
                lost = err
            except Exception as err:  # boundary: whatever it was, this has to be tried again
                log.exception("broker subscription failed", queue=self._consumer.source, error=type(err).__name__)
                lost = ChannelLost("internal error")
            self._channel = None
            self.problem = lost.reason
            log.warning("broker subscription lost", queue=self._consumer.source, reason=lost.reason)
            if began is not None and self._consumer.on_lost is not None:
                self._call(partial(self._consumer.on_lost, lost.reason))
            if connection.alive:  # otherwise the link does the waiting
                failures = 1 if began is not None and clock() - began >= STABLE_AFTER else failures + 1
                await asyncio.sleep(CHANNEL.delay(failures, self._random))

    async def _consume(self, connection: Connection) -> Channel:
        channel = await connection.channel(f"consume {self._consumer.source}")
        self.generation += 1
        try:
            fanout = self._consumer.fanout
            queue = self.queue if fanout is None else await _bind_temporary(channel, fanout)
            if fanout is None:
                # Per consumer: a quorum queue answers global QoS with 540, which ends the whole connection.
                await channel.request(
                    lambda reply: channel.pika.basic_qos(
                        prefetch_count=self._consumer.prefetch, global_qos=False, callback=reply
                    ),
                    timeout=REPLY_TIMEOUT,
                )
            channel.pika.on_delivery = partial(self._deliver, channel)
            await channel.request(
                lambda reply: channel.pika.basic_consume(
                    queue,
                    _never,
                    auto_ack=fanout is not None,
                    consumer_tag=f"{self._link.name} {queue} {self.generation}"[:255],
                    arguments={} if self._consumer.priority is None else {"x-priority": self._consumer.priority},
                    callback=reply,
                ),
                timeout=REPLY_TIMEOUT,
            )
        except BaseException:
            channel.drop("not consuming")
            raise
        return channel

    def _deliver(self, channel: Channel, content: Content) -> None:
        """Called for each delivery from inside pika's reader. Nothing may be raised from here."""
        # Deliveries that were in the socket while this process stood still, or that come on a channel we have
        # given up, are somebody else's by now.
        if self._stopped or not channel.usable():
            return
        if H_PUBLISH_ID in content.properties.headers:  # of use on the channel it was published on, nowhere else
            kept = {name: value for name, value in content.properties.headers.items() if name != H_PUBLISH_ID}
            content.properties = replace(content.properties, headers=kept)
        message = Incoming(channel, self.queue, content)
        try:
            self._consumer.on_message(message)
        except Exception as err:  # boundary: an exception here would tear down the connection
            log.exception("broker handler failed", queue=self._consumer.source, error=type(err).__name__)
            # The message that did it pays alone, until the queue's delivery limit makes it a dead letter.
            # Kept unacknowledged it would hold a place of the prefetch for ever.
            if self._consumer.fanout is None:
                asyncio.get_running_loop().call_later(GIVE_BACK_AFTER, message.give_back)

    def _call(self, callback: Callable[[], None] | None) -> None:
        if callback is None:
            return
        try:
            callback()
        except Exception as err:  # boundary: the subscription has to go on
            log.exception("broker callback failed", queue=self._consumer.source, error=type(err).__name__)


def _never(*_delivery: object) -> None:
    """What pika would call if deliveries did not take the short way."""


async def _bind_temporary(channel: Channel, exchange: str) -> str:
    """Declare a queue of our own that lives as long as the connection, and bind it."""
    declared: Any = await channel.request(
        lambda reply: channel.pika.queue_declare("", exclusive=True, auto_delete=True, callback=reply),
        timeout=REPLY_TIMEOUT,
    )
    queue: str = declared.method.queue
    await channel.request(
        lambda reply: channel.pika.queue_bind(queue, exchange, routing_key="", callback=reply), timeout=REPLY_TIMEOUT
    )
    return queue
