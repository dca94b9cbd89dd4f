"""The broker as Mailroom sees it: subscribe, publish with confirms, ask for the depth of a queue.

This module and its neighbours ``consumer/broker_*.py`` are the only ones that know pika. It survives every loss of
connection or channel by itself; what it does not do is decide: when to acknowledge, what to retry and where to
publish is up to the caller. It knows no queue names.

How it is made: two `Link` s (one consumes, one publishes), each keeping one `Connection` generation alive; a
`Subscription` for every queue, each with a `Channel` generation of its own; one `Publishing` with the window of
confirms; one `Liveness` that notices when this process has been frozen.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from config.logs import get_logger
from consumer.broker_admin import Admin, QueueState
from consumer.broker_backoff import CONNECT, Backoff
from consumer.broker_endpoints import Problem, parse_url, tls_context
from consumer.broker_errors import BrokerError, BrokerUnavailable, PublishFailed, QueueMissing, Reason
from consumer.broker_incoming import Incoming
from consumer.broker_link import Dialling, Link
from consumer.broker_liveness import Liveness
from consumer.broker_properties import Properties
from consumer.broker_publishing import Publishing
from consumer.broker_subscriptions import Consumer, Subscription

__all__ = [
    "Broker",
    "BrokerError",
    "BrokerUnavailable",
    "Incoming",
    "Problem",
    "Properties",
    "PublishFailed",
    "QueueMissing",
    "QueueState",
    "Reason",
    "Subscription",
]

log = get_logger(__name__)

# Closing is an exchange of two small frames; a broker that does not answer within this is not going to.
CLOSE_TIMEOUT = 5.0


class Broker:
    """Two connections to a RabbitMQ, re-made for ever.

    ``urls`` are the nodes of one cluster, tried in random order; ``ca_file`` an authority to trust beside the
    system's; ``name`` what an operator sees in the management view. Times in seconds. ``on_change`` is called
    whenever `connected`, `blocked` or `problem` may have changed. Raises ValueError for a URL that cannot be read,
    without repeating it.
    """

    def __init__(  # noqa: PLR0913 - keyword options
        self,
        urls: Sequence[str],
        *,
        name: str,
        ca_file: Path | None = None,
        heartbeat: int = 10,
        connect_timeout: float = 10.0,
        confirm_timeout: float = 15.0,
        window: int = 512,
        backoff: Backoff = CONNECT,
        clock: Callable[[], float] = time.monotonic,
        source: random.Random | None = None,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        self.on_change = on_change
        self._random = source or random.Random()  # noqa: S311 - spreads load, guards nothing
        self._liveness = Liveness(clock, heartbeat, self._on_gap)
        dialling = Dialling(
            endpoints=tuple(parse_url(url) for url in urls),
            context=tls_context(ca_file),
            heartbeat=heartbeat,
            connect_timeout=connect_timeout,
            random=self._random,
            backoff=backoff,
        )
        self._consume = Link(f"{name} consume", dialling, self._liveness, self._changed)
        self._publish = Link(f"{name} publish", dialling, self._liveness, self._changed)
        self._publishing = Publishing(
            self._publish, window=window, confirm_timeout=confirm_timeout, clock=clock, source=self._random
        )
        self._subscriptions: list[Subscription] = []
        self._admin = Admin(self._publish)
        self._changes = asyncio.Event()
        self._ticker: asyncio.Task[None] | None = None
        self._closing = False
        self._was_blocked = False

    @property
    def connected(self) -> bool:
        """Whether both connections are up."""
        return self._consume.connected and self._publish.connected

    @property
    def blocked(self) -> bool:
        """Whether the broker refuses to take messages just now (memory or disk alarm); deliveries go on."""
        return self._publish.blocked

    @property
    def problem(self) -> Problem | None:
        """Why there is no connection; None when there is one, or no attempt has ended yet."""
        return self._consume.problem or self._publish.problem

    @property
    def server_version(self) -> tuple[int, ...] | None:
        """RabbitMQ's version as numbers, for example (3, 10, 8); None while not connected."""
        connection = self._consume.connection
        return connection.server_version if connection is not None else None

    async def start(self) -> None:
        """Begin connecting; returns at once (see `wait_connected`)."""
        self._liveness.tick()
        self._ticker = asyncio.create_task(self._tick(), name="broker ticker")
        self._consume.start()
        self._publish.start()
        self._publishing.start()

    async def wait_connected(self) -> None:
        """Return when both connections are up. Bound it with a time-out of your own."""
        while not self.connected:
            self._changes.clear()
            await self._changes.wait()

    async def close(self) -> None:
        """Close both connections, within some 5 seconds.

        Acknowledgements made before reach the broker; everything else that was delivered goes back to its queue.
        No consumer is cancelled, so a waiting replica takes over only when this one holds nothing any more.
        Unconfirmed publishes fail as disconnected. Closing twice is harmless.
        """
        self._closing = True
        for subscription in self._subscriptions:
            await subscription.stop()
        await self._publishing.close()
        await asyncio.gather(self._consume.close(CLOSE_TIMEOUT), self._publish.close(CLOSE_TIMEOUT))
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.wait((self._ticker,))

    def subscribe(
        self,
        queue: str,
        *,
        prefetch: int,
        on_message: Callable[[Incoming], None],
        on_lost: Callable[[str], None] | None = None,
        on_active: Callable[[], None] | None = None,
        priority: int | None = None,
        delay: Callable[[tuple[int, ...]], float] | None = None,
    ) -> Subscription:
        """Consume from a queue, with a channel of its own and at most ``prefetch`` unacknowledged messages.

        ``on_message`` is called from inside the client's reader: it must only take note and return. If it raises, the
        message goes back to its queue after a second and counts as failed there. ``on_lost`` is called with a reason
        when deliveries that were held have become stale, ``on_active`` on every (re-)start; ``priority`` is the
        consumer's ``x-priority``; ``delay`` maps the server's version to seconds to wait before each subscribing.
        """
        return self._start(
            Consumer(
                on_message=on_message,
                queue=queue,
                prefetch=prefetch,
                on_lost=on_lost,
                on_active=on_active,
                priority=priority,
                delay=delay,
            )
        )

    def subscribe_temporary(
        self, exchange: str, on_message: Callable[[Incoming], None], on_ready: Callable[[], None]
    ) -> Subscription:
        """Hear everything that is published to a fanout exchange from now on, without acknowledging.

        ``on_ready`` is called on every (re-)start: anything may have been missed before it.
        """
        return self._start(Consumer(on_message=on_message, on_active=on_ready, fanout=exchange))

    async def unsubscribe(self, subscription: Subscription) -> None:
        """End one subscription; what it was given and did not acknowledge goes back to its queue."""
        self._subscriptions.remove(subscription)
        await subscription.stop()
        subscription.rebuild("unsubscribed")

    async def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        properties: Properties,
        *,
        mandatory: bool = True,
        timeout: float | None = None,
        still: Callable[[], bool] | None = None,
    ) -> None:
        """Publish a persistent message; returns when the broker has confirmed it, raises PublishFailed when not.

        Waits while the window is full or the broker is blocked (bounded by ``timeout``, or by cancelling), and at
        most the confirm time-out while there is no connection. ``still`` is asked directly before the message is
        written; if it says no, the publish is abandoned (for a caller whose reason may lapse while it waits).
        A cancelled caller's message may be published nevertheless.
        """
        if self._closing:
            raise PublishFailed(Reason.DISCONNECTED, "closed")
        await self._publishing.publish(
            exchange, routing_key, body, properties, mandatory=mandatory, timeout=timeout, still=still
        )

    async def queue_state(self, queue: str) -> QueueState:
        """How full a queue is, by a passive declare. Raises QueueMissing, or BrokerUnavailable."""
        return await self._admin.queue_state(queue)

    def _start(self, consumer: Consumer) -> Subscription:
        subscription = Subscription(self._consume, consumer, self._random)
        self._subscriptions.append(subscription)
        subscription.start()
        return subscription

    async def _tick(self) -> None:
        while True:
            now = self._liveness.tick()
            for link in (self._consume, self._publish):
                if link.connection is not None:
                    link.connection.tick(now)
            await asyncio.sleep(self._liveness.interval)

    def _on_gap(self, seconds: float) -> None:
        log.warning("broker process was frozen", seconds=round(seconds, 1))
        self._consume.abort("process was frozen")
        self._publish.abort("process was frozen")

    def _changed(self) -> None:
        was_blocked, self._was_blocked = self._was_blocked, self.blocked
        if was_blocked and not self.blocked:
            self._publishing.unblocked()
        self._changes.set()
        if self.on_change is None:
            return
        try:
            self.on_change()
        except Exception as err:  # boundary: this may be called from inside pika, where it would cost the connection
            log.exception("broker callback failed", error=type(err).__name__)
