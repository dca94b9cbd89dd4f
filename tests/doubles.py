"""Stand-ins for what the broker hands over and takes, and for stores that misbehave: what only a real loss would show.

They obey the contracts of the originals (``consumer.broker``, ``config.store_quarantine``) as far as tests need them.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from config.errors import StoreUnavailable
from consumer.breakers import Permit
from consumer.broker import Properties, PublishFailed, QueueState
from consumer.broker_errors import Reason
from consumer.notices import Notices
from consumer.turns import GoAside


class Told(Notices):
    """Notices about organisations, kept instead of published; those about single events are off."""

    def __init__(self) -> None:
        self.said: list[tuple[str, ...]] = []

    def suspended(self, organization, transport, code):
        self.said.append(("suspended", organization, code))

    def recovered(self, organization, transport):
        self.said.append(("recovered", organization))

    def ended(self, what, event_id, organization, reason):
        pass


class Delivered:
    """A delivered message; it is ours until ``ours`` is set to False, which is what the loss of its channel does."""

    def __init__(
        self, body: bytes, headers: Mapping[str, object] | None = None, *, redelivered: bool = False, count: int = 0
    ) -> None:
        self.body = body
        self.properties = Properties(message_id="event-1", headers=dict(headers or {}))
        self.redelivered = redelivered
        self.delivery_count = count
        self.queue, self.routing_key, self.received = "queue", "x", 0.0
        self.ours = True
        self.acked = self.given_back = 0

    def current(self) -> bool:
        return self.ours

    def ack(self) -> bool:
        self.acked += self.ours
        return self.ours

    def give_back(self) -> bool:
        self.given_back += self.ours
        return self.ours


@dataclass(frozen=True)
class Copy:
    """One message that was published."""

    exchange: str
    body: bytes
    headers: Mapping[str, Any]


class Publications:
    """The broker's publish: keeps the copies. ``then`` is called after each, and raises what the publisher sees."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        self.copies: list[Copy] = []
        self.then = then

    async def __call__(self, exchange, routing_key, body, properties, *, mandatory=True, still=None):
        if still is not None and not still():
            raise PublishFailed(Reason.ABANDONED)
        self.copies.append(Copy(exchange, body, properties.headers))
        self.then()


class ParkedQueue:
    """A broker with one queue: what was not acknowledged comes again on the next channel."""

    def __init__(self, *messages: tuple[bytes, Mapping[str, object]]) -> None:
        self.publish = Publications()
        self._messages = messages
        self._delivered: list[tuple[int, Delivered]] = []
        self._on_message: Callable[[Any], None] | None = None

    async def queue_state(self, queue):
        return QueueState(len(self._left()), 1)

    def subscribe(self, queue, *, prefetch, on_message):
        self._on_message = on_message
        self._deliver()

    async def unsubscribe(self, subscription):
        self._on_message = None
        self._leave()

    def lose_channel(self) -> None:
        """Nothing that was delivered is ours any more, and all that is left is delivered anew."""
        self._leave()
        self._deliver()

    def _left(self) -> list[int]:
        gone = {number for number, delivered in self._delivered if delivered.acked}
        return [number for number in range(len(self._messages)) if number not in gone]

    def _leave(self) -> None:
        for _, delivered in self._delivered:
            delivered.ours = False

    def _deliver(self) -> None:
        for number in self._left():
            delivered = Delivered(*self._messages[number])
            self._delivered.append((number, delivered))
            if self._on_message is not None:
                self._on_message(delivered)


class Marks:
    """The quarantine's store in memory. While ``mute`` it does what it is told and never says so."""

    def __init__(self) -> None:
        self.counts: Counter[bytes] = Counter()
        self.mute = False

    async def tries(self, key: bytes) -> int:
        return self.counts[key]

    async def start(self, key: bytes, now: datetime) -> int:
        self.counts[key] += 1
        self._answer()
        return self.counts[key]

    async def clear(self, key: bytes) -> None:
        self._answer()
        del self.counts[key]

    def _answer(self) -> None:
        if self.mute:
            raise StoreUnavailable("no answer")


class OpenRoad:
    """Breakers that are never open (:class:`consumer.breakers.Breakers`); they keep what became of mails."""

    def __init__(self) -> None:
        self.left_with: list[Any] = []
        self.entered = self.given_up = self.stores_away = 0
        self.aside: Exception | None = None

    async def enter(self, route):
        self.entered += 1
        if self.aside is not None:
            raise self.aside
        return Permit(route)

    def closed(self, route):
        return self.aside

    def no_route(self, code):
        return GoAside(60.0, code, platform=True)

    def still(self, permit):
        return True

    async def left(self, permit, error):
        self.left_with.append(error)

    def give_up(self, permit):
        self.given_up += 1

    def forget(self, organization):
        """Nothing is remembered."""

    def store_away(self):
        self.stores_away += 1

    def store_back(self):
        """It never was away."""

    def open_organizations(self):
        return {}
