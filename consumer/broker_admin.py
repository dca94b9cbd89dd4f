"""Questions to the broker that are neither consuming nor publishing, on a channel of their own."""

import asyncio
from dataclasses import dataclass
from typing import Any

from consumer.broker_channel import Channel, ChannelLost
from consumer.broker_connection import REPLY_TIMEOUT
from consumer.broker_errors import BrokerUnavailable, QueueMissing
from consumer.broker_link import Link


@dataclass(frozen=True, slots=True)
class QueueState:
    """Messages that are ready for delivery (not those being delivered), and consumers, of one queue."""

    ready: int
    consumers: int


class Admin:
    """A channel that is opened when first needed and thrown away whenever a question was not answered."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._channel: Channel | None = None
        # The broker closes the channel on a question about a missing queue, and with it every other one that waits.
        self._lock = asyncio.Lock()

    async def queue_state(self, queue: str) -> QueueState:
        """See `consumer.broker.Broker.queue_state`."""
        async with self._lock:
            answered = False
            try:
                async with asyncio.timeout(REPLY_TIMEOUT):
                    channel = await self._open()
                    declared: Any = await channel.request(
                        lambda reply: channel.pika.queue_declare(queue, passive=True, callback=reply),
                        timeout=REPLY_TIMEOUT,
                    )
                answered = True
            except ChannelLost as lost:
                if lost.code == 404:
                    raise QueueMissing(queue) from lost
                raise BrokerUnavailable(lost.reason) from lost
            except TimeoutError:
                raise BrokerUnavailable("no reply in time") from None  # the cause is this very limit
            finally:
                if not answered and self._channel is not None:
                    self._channel.drop("unanswered")
                    self._channel = None
        return QueueState(ready=declared.method.message_count, consumers=declared.method.consumer_count)

    async def _open(self) -> Channel:
        if self._channel is None or not self._channel.alive:
            connection = await self._link.up()
            self._channel = await connection.channel("admin")
        return self._channel
