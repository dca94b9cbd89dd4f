"""Which partitions have a long queue, so that what cannot leave soon must make room for what stands behind it.

A queue is long when it would take more than seconds at the pace at which it was being worked off. Only a partition
whose prefetch has been full for a moment can have one, so an idle or easy day costs the broker no question at all.
Short bursts never count: they are over before they would be noticed.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from config.logs import get_logger
from consumer import names
from consumer.broker import BrokerError, QueueState

log = get_logger(__name__)

LOOK_EVERY = 0.1
"""Seconds between two looks at what is in hand."""

ASK_EVERY = 0.5
"""Seconds between two questions about one queue; as long must a prefetch have been full before the first."""

_LONG = 4.0
"""Seconds of work in a queue from which on it is a long one; it no longer is below a quarter of that."""

_OBSERVED = 2.0
"""Seconds over which the pace is observed."""

_FULL = 0.75
"""Part of a prefetch that is in hand at every look while more is waiting: what was acknowledged is still on its way."""

_LOST = 1.0
"""Seconds without anything in hand after which a partition has been emptied, or is somebody else's by now."""


class Crowd:
    """Decides about one partition. Every ``now`` is on one monotonic clock, in seconds.

    The pace counts while the partition is not crowded, and is kept while it is: skimming works a queue off at many
    times the pace of sending, which would end the crowd at once and bring it back at once.
    """

    __slots__ = ("_asked_at", "_full_since", "_limit", "_prefetch", "_seen", "_used_at", "crowded")

    def __init__(self, prefetch: int) -> None:
        self.crowded = False
        self._prefetch = prefetch
        self._limit = 0.0
        self._full_since: float | None = None
        self._used_at = 0.0
        self._asked_at = float("-inf")
        self._seen: deque[tuple[float, int]] = deque()

    def look(self, now: float, held: int, settled: int) -> bool:
        """Takes note of what is in hand, and of how many deliveries have ended so far; whether to ask for the depth."""
        if self.crowded:
            if held:
                self._used_at = now
            elif now - self._used_at >= _LOST:
                self._end()
                return False
        elif not self._full_for_long(now, held, settled):
            return False
        return now - self._asked_at >= ASK_EVERY

    def asked(self, now: float) -> None:
        """The depth is being asked for."""
        self._asked_at = now

    def deep(self, now: float, ready: int) -> None:
        """Takes note of the messages that wait in the queue."""
        if self.crowded:
            if ready < self._limit / 4:
                self._end()
        elif self._full_since is not None:
            self._limit = max(_LONG * self._pace(), float(self._prefetch))
            self._used_at = now
            self.crowded = ready > self._limit

    def _full_for_long(self, now: float, held: int, settled: int) -> bool:
        if held < self._prefetch * _FULL:
            self._end()
            return False
        if self._full_since is None:
            self._full_since = now
        self._seen.append((now, settled))
        while now - self._seen[0][0] > _OBSERVED:
            self._seen.popleft()
        return now - self._full_since >= ASK_EVERY

    def _end(self) -> None:
        """There is no crowd; whether there will be is observed afresh."""
        self.crowded = False
        self._full_since = None
        self._seen.clear()

    def _pace(self) -> float:
        (began, first), (ended, last) = self._seen[0], self._seen[-1]
        return (last - first) / (ended - began) if ended > began else 0.0


class Depths(Protocol):
    """Who knows how full a queue is; :class:`~consumer.broker.Broker` does."""

    async def queue_state(self, queue: str) -> QueueState:
        """Raises BrokerError."""
        ...


class Crowding:
    """Watches all partitions of one process.

    ``held`` gives the deliveries of a partition in hand, ``settled`` how many of it have ended since the start,
    ``clock`` monotonic seconds and ``pause`` waits that many.
    """

    def __init__(
        self,
        depths: Depths,
        partitions: Iterable[str],
        *,
        prefetch: int,
        held: Callable[[str], int],
        settled: Callable[[str], int],
        clock: Callable[[], float],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._depths = depths
        self._held = held
        self._settled = settled
        self._clock = clock
        self._pause = pause
        self._crowds = {partition: Crowd(prefetch) for partition in partitions}

    def crowded(self, partition: str) -> bool:
        """Whether this partition has a long queue; never one that is not watched."""
        crowd = self._crowds.get(partition)
        return crowd is not None and crowd.crowded

    def count(self) -> int:
        """Partitions with a long queue."""
        return sum(crowd.crowded for crowd in self._crowds.values())

    async def run(self) -> None:
        """Watches until it is cancelled."""
        while True:
            await self.look()
            await self._pause(LOOK_EVERY)

    async def look(self) -> None:
        """One look at all partitions, with a question to the broker for each that may be crowded."""
        for partition, crowd in self._crowds.items():
            now, before = self._clock(), crowd.crowded
            if crowd.look(now, self._held(partition), self._settled(partition)):
                crowd.asked(now)
                await self._ask(partition, crowd)
            elif before and not crowd.crowded:
                _over(partition)

    async def _ask(self, partition: str, crowd: Crowd) -> None:
        try:
            depth = await self._depths.queue_state(names.work_queue(partition))
        except BrokerError:
            return  # nothing moves without the broker, so the last answer is as good as any
        before = crowd.crowded
        crowd.deep(self._clock(), depth.ready)
        if crowd.crowded and not before:
            log.info("partition is crowded", partition=partition, count=depth.ready)
        elif before and not crowd.crowded:
            _over(partition)


def _over(partition: str) -> None:
    log.info("partition is no longer crowded", partition=partition)
