"""Does this replica really consume? A consumer tag proves nothing: a consumer can be forgotten by the broker.

Two checks, both end to end. A *probe* is a message without an event that goes through the sorter into a partition:
whoever is the partition's active consumer acknowledges it and knows that it is active. A *stalled* partition has ready
messages, gives this replica none, has nothing in hand here, and does not move for several rounds: its subscription is
built anew, which costs nothing then.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from config.logs import get_logger
from consumer import names
from consumer.broker import Broker, BrokerError, Properties, PublishFailed, Subscription

log = get_logger(__name__)

INTERVAL = 15.0
"""Seconds between two rounds."""

_ACTIVE_FOR = 2.5 * INTERVAL
_STALLED_ROUNDS = 4


@dataclass(slots=True)
class _Partition:
    subscription: Subscription
    delivered_at: float | None = None
    ready: int = 0
    stalled: int = 0


class SelfCheck:
    """Watches the subscriptions of all partitions.

    ``held`` tells how many deliveries of a partition are in hand here; ``clock`` is monotonic, in seconds.
    """

    def __init__(
        self,
        broker: Broker,
        subscriptions: Mapping[str, Subscription],
        *,
        replica: str,
        held: Callable[[str], int],
        clock: Callable[[], float],
    ) -> None:
        self._broker = broker
        self._replica = replica
        self._held = held
        self._clock = clock
        self._partitions = {name: _Partition(subscription) for name, subscription in subscriptions.items()}

    def delivered(self, partition: str) -> None:
        """A message of this partition was delivered to us, so we are its active consumer."""
        state = self._partitions.get(partition)
        if state is not None:
            state.delivered_at = self._clock()

    def active(self, partition: str) -> bool:
        """Whether we were the active consumer of this partition within the last rounds."""
        delivered_at = self._partitions[partition].delivered_at
        recently = delivered_at is not None and self._clock() - delivered_at < _ACTIVE_FOR
        return recently or self._held(partition) > 0

    @property
    def active_count(self) -> int:
        """Partitions we were seen to be active for."""
        return sum(self.active(name) for name in self._partitions)

    @property
    def subscribed_count(self) -> int:
        """Partitions whose subscription the broker has confirmed and not ended since."""
        return sum(state.subscription.active for state in self._partitions.values())

    @property
    def complete(self) -> bool:
        """Whether every partition is subscribed and none is stalled."""
        return all(state.subscription.active and not state.stalled for state in self._partitions.values())

    async def round(self) -> None:
        """Probes the partitions that were silent and looks at the depth of those that we got nothing from."""
        for name, state in self._partitions.items():
            if self._recent(state) or self._held(name):
                state.stalled = 0
                continue
            await self._probe(name)
            await self._look(name, state)

    def _recent(self, state: _Partition) -> bool:
        return state.delivered_at is not None and self._clock() - state.delivered_at < INTERVAL

    async def _probe(self, name: str) -> None:
        headers = {names.H_PARTITION: name, names.H_PROBE: self._replica}
        try:
            await self._broker.publish(names.SORT, names.H_PROBE, b"", Properties(headers=headers))
        except PublishFailed as failure:
            log.warning("probe could not be published", partition=name, reason=failure.reason)

    async def _look(self, name: str, state: _Partition) -> None:
        if not state.subscription.active:  # about to be, or about to be again: there is nothing to build anew
            state.stalled = 0
            return
        try:
            depth = await self._broker.queue_state(names.work_queue(name))
        except BrokerError:
            return
        moved = depth.ready < state.ready or depth.ready == 0
        state.stalled = 0 if moved else state.stalled + 1
        state.ready = depth.ready
        if self._held(name) or self._recent(state):  # it was given something while we asked
            state.stalled = 0
        elif depth.consumers == 0 or state.stalled >= _STALLED_ROUNDS:
            log.warning("partition does not deliver; its subscription is built anew", partition=name, count=depth.ready)
            state.stalled = 0
            state.subscription.rebuild()
