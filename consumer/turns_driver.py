"""The lanes of a process: made on first use from what is remembered of them, forgotten when nobody uses them.

The decisions are those of :mod:`consumer.lanes`, the waiting is in :mod:`consumer.turns_road`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from consumer.lane_line import Aside, Rank
from consumer.lane_memory import from_bytes, to_bytes
from consumer.lanes import Lane
from consumer.turns import Ask
from consumer.turns_road import Road, RoadTurn

Remembered = Callable[[str], Awaitable[bytes | None]]
"""Reads what was last remembered of a lane; raises StoreUnavailable."""

_STALE_PACED: Final = 1.0
_STALE_BUDGET: Final = 30.0
"""Seconds for which a lane may be empty before its memory is read again: its partition may have been elsewhere."""

_IDLE: Final = 300.0
_IDLE_UNWRITTEN: Final = 26 * 3600.0
"""Seconds after which an empty lane is dropped; one whose memory nobody has written is kept while it matters."""


@dataclass(frozen=True, slots=True)
class Pressure:
    """What is in the lanes of this process now."""

    lanes: int
    waiting: int
    under_way: int
    held: int


class LaneTurns:
    """The lanes of one process, for one event loop; the implementation of :class:`consumer.turns.Turns`.

    ``clock`` is monotonic and ``now`` the wall clock; ``deadline`` is the longest a send may take, in seconds.
    ``remembered`` reads memories back, and ``owner`` names this process: no other, and no earlier one, has the name.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        remembered: Remembered,
        deadline: float,
        owner: str,
    ) -> None:
        self._clock = clock
        self._now = now
        self._remembered = remembered
        self._deadline = deadline
        self._owner = owner
        self._roads: dict[str, Road] = {}
        self._reading: dict[str, asyncio.Task[Road]] = {}
        self._changed: dict[str, Road] = {}
        self._crowding: dict[str, Road] = {}

    def __len__(self) -> int:
        """Lanes in memory."""
        return len(self._roads)

    def take(self, ask: Ask) -> RoadTurn:
        """See :meth:`consumer.turns.Turns.take`."""
        return RoadTurn(ask, self._find)

    def dirty(self) -> Sequence[tuple[str, bytes]]:
        """See :meth:`consumer.turns.Turns.dirty`."""
        changed, self._changed = self._changed, {}
        return [(key, self._memory(road)) for key, road in changed.items()]

    def skim(self, organization: str, *, due: bool) -> Aside | None:
        """Where one more mail of an organisation goes that has much in hand already, in a crowded partition.

        ``None`` if that is not known, or if it may come in.
        """
        road = self._crowding.get(organization)
        return None if road is None else road.lane.skim(organization, Rank.DUE if due else Rank.FRESH, self._clock())

    def pressure(self) -> Pressure:
        """What is in the lanes now, for metrics."""
        now, lanes = self._clock(), [road.lane for road in self._roads.values()]
        return Pressure(
            len(lanes),
            sum(lane.waiting for lane in lanes),
            sum(lane.under_way for lane in lanes),
            sum(lane.held(now) for lane in lanes),
        )

    def drop_idle(self) -> int:
        """Forgets lanes that have been empty for some time, and returns how many. Their memory is in the store."""
        now = self._clock()
        self._crowding.clear()
        idle = [key for key, road in self._roads.items() if self._droppable(road, now)]
        for key in idle:
            self._roads.pop(key).close()
        return len(idle)

    def forgive(self, account: str) -> None:
        """Forgets what a provider complained of: the organisation has another account now, or other settings."""
        road = self._roads.get(account)
        if road is not None:
            road.lane.forgive()
            road.note()

    def _find(self, ask: Ask) -> Road | Awaitable[Road]:
        """The lane for a mail."""
        road = self._roads.get(ask.account)
        if road is None and not ask.account:
            road = self._roads[""] = self._made(ask)
        if road is None or self._stale(road):
            return self._read(ask)
        if ask.crowded:
            self._crowding[ask.organization] = road
        return road

    async def _read(self, ask: Ask) -> Road:
        """The lane with what was remembered of it; read once for all who ask meanwhile."""
        task = self._reading.get(ask.account)
        if task is None:
            task = self._reading[ask.account] = asyncio.create_task(self._recalled(ask))
            task.add_done_callback(partial(self._was_read, ask.account))
        # Whoever is cancelled must not take the answer from the others.
        return await asyncio.shield(task)

    async def _recalled(self, ask: Ask) -> Road:
        raw = await self._remembered(ask.account)
        memory = None if raw is None else from_bytes(raw)
        road = self._roads.get(ask.account)
        if road is None:
            road = self._roads[ask.account] = self._made(ask)
            theirs = memory
        else:
            theirs = memory if memory is not None and memory.owner != self._owner else None
        if theirs is not None:
            road.lane = self._lane(ask)
            road.lane.recall(ask.account, theirs, self._owner, self._clock(), self._now().timestamp())
        road.lane.used = self._clock()
        return road

    def _was_read(self, account: str, task: asyncio.Task[Road]) -> None:
        del self._reading[account]
        if not task.cancelled():
            task.exception()  # raised for those who wait; perhaps nobody does any more

    def _made(self, ask: Ask) -> Road:
        return Road(ask.account, self._lane(ask), self._clock, self._has_changed)

    def _has_changed(self, road: Road) -> None:
        # The platform's own lane is every process's for itself.
        if road.key:
            self._changed[road.key] = road

    def _lane(self, ask: Ask) -> Lane:
        return Lane(
            ask.limits,
            now=self._clock(),
            wall=self._now().timestamp(),
            deadline=self._deadline,
            account=ask.fingerprint,
            shared=not ask.account,
        )

    def _memory(self, road: Road) -> bytes:
        road.lane.changed = False
        return to_bytes(road.lane.remember(self._owner, self._clock()))

    def _stale(self, road: Road) -> bool:
        lane = road.lane
        if not road.key or lane.in_hand or not lane.limits.paced:
            return False
        return self._clock() - lane.used > (_STALE_BUDGET if lane.limits.per_minute is None else _STALE_PACED)

    @staticmethod
    def _droppable(road: Road, now: float) -> bool:
        lane, idle = road.lane, now - road.lane.used
        if lane.in_hand or not road.key:
            return False
        return idle > (_IDLE_UNWRITTEN if lane.changed else _IDLE)
