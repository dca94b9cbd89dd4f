"""One lane in an event loop: its timer, and the mails that wait in it. The decisions are those of the lane."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from consumer.lane_line import Aside, Place, Rank, Stand
from consumer.lanes import Lane
from consumer.turns import Ask, GoAside
from transports.errors import DeliveryError


class Road:
    """A lane with its timer. ``changed`` is called when its memory is to be written; ``key`` is the account."""

    __slots__ = ("_changed", "_due", "_timer", "clock", "key", "lane")

    def __init__(self, key: str, lane: Lane, clock: Callable[[], float], changed: Callable[["Road"], None]) -> None:
        self.key = key
        self.lane = lane
        self.clock = clock
        self._changed = changed
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def run(self) -> None:
        """Lets go on what can after a mail has ended or left."""
        if self.lane.waiting:
            for place in self.lane.step(self.clock()):
                if isinstance(place, RoadTurn):
                    place.wake()
            self.set_timer()
        self.note()

    def note(self) -> None:
        """Says so if the memory is to be written."""
        if self.lane.changed:
            self._changed(self)

    def set_timer(self) -> None:
        """Sees to it that the lane is looked at when its next moment comes; an earlier look does no harm."""
        now = self.clock()
        at = self.lane.wake_at(now)
        if at is None or (self._timer is not None and self._due <= at):
            return
        self.close()
        self._due = at
        self._timer = asyncio.get_running_loop().call_later(max(0.0, at - now), self._wake)

    def close(self) -> None:
        """Looks no more by itself."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake(self) -> None:
        self._timer = None
        self.run()


class RoadTurn(Place):
    """A mail in a lane: the Turn of :mod:`consumer.turns` and its block. ``find`` gives the lane for what it asks."""

    __slots__ = ("_ask", "_find", "_road", "_waiter")

    def __init__(self, ask: Ask, find: Callable[[Ask], Road | Awaitable[Road]]) -> None:
        super().__init__(ask.organization, Rank.of(high=ask.high, due=ask.due), ask.units, ask.crowded)
        self._ask = ask
        self._find = find
        self._road: Road | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Self:
        found = self._find(self._ask)
        road = found if isinstance(found, Road) else await found
        ask, lane = self._ask, road.lane
        if lane.limits is not ask.limits or lane.account.now != ask.fingerprint:
            lane.use(ask.limits, ask.fingerprint, road.clock())
        aside = road.lane.enter(self, road.clock())
        road.note()
        if aside is not None:
            raise _go(aside)
        self._road = road
        if self.stand is Stand.WAITING:
            try:
                await self._moved(road)
            except BaseException:
                self._leave(road)
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._road is not None:
            self._leave(self._road)

    async def granted(self) -> None:
        """See :meth:`consumer.turns.Turn.granted`."""
        road = self._known()
        road.lane.want(self, road.clock())
        road.note()
        if self.stand is Stand.READY:
            await self._moved(road)
        elif self.refusal is not None:
            raise _go(self.refusal)

    def begins(self) -> None:
        """See :meth:`consumer.turns.Turn.begins`."""
        if self.stand is Stand.UNDER_WAY:
            road = self._known()
            road.lane.begins(self, road.clock())

    def ended(self, error: DeliveryError | None) -> None:
        """See :meth:`consumer.turns.Turn.ended`."""
        if self.stand is Stand.UNDER_WAY:
            road = self._known()
            road.lane.ended(self, error, road.clock())
            road.run()

    def wake(self) -> None:
        """Its stand has changed."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _moved(self, road: Road) -> None:
        """Returns when its stand has changed for the better."""
        self._waiter = asyncio.get_running_loop().create_future()
        road.set_timer()
        await self._waiter
        if self.refusal is not None:
            raise _go(self.refusal)

    def _leave(self, road: Road) -> None:
        self._road = None
        road.lane.leave(self, road.clock())
        road.run()

    def _known(self) -> Road:
        if self._road is None:
            raise RuntimeError("a turn is used outside its block")
        return self._road


def _go(aside: Aside) -> GoAside:
    return GoAside(aside.after, aside.reason)
