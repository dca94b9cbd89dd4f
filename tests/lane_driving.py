"""A lane driven by hand, with a clock of its own: for tests of what it decides."""

from typing import Any

from config.limits import Limits
from consumer.lane_line import Aside, Place, Rank, Stand
from consumer.lane_memory import from_bytes, to_bytes
from consumer.lanes import Lane
from transports.errors import DeliveryError

WALL = 1_800_000_000.0
DEADLINE = 90.0


class Driven:
    """A lane at ``now``.

    Whatever is NEAR asks for its start at once, unless ``asking`` is False; whatever starts is handed over at once,
    unless ``handing`` is.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        now: float = 1000.0,
        asking: bool = True,
        wall: float = WALL,
        account: str = "",
        shared: bool = False,
    ) -> None:
        self.now = now
        self.wall = wall - now
        self.asking = asking
        self.handing = True
        self.lane = Lane(limits, now=now, wall=self.wall + now, deadline=DEADLINE, account=account, shared=shared)
        self.sent: list[Place] = []
        self.out: list[Place] = []

    def enter(
        self, organization: str = "acme", *, high: bool = False, due: bool = False, units: int = 1, crowded=False
    ):
        """A mail arrives: its place, or where it is sent to."""
        place = Place(organization, Rank.of(high=high, due=due), units, crowded)
        aside = self.lane.enter(place, self.now)
        if aside is not None:
            return aside
        self._moved([place])
        return place

    def enters(self, count: int, organization: str = "acme", **how) -> list[Any]:
        """So many mails arrive at once."""
        return [self.enter(organization, **how) for _ in range(count)]

    def want(self, place: Place) -> None:
        """A mail that is near has asked what it had to."""
        self.lane.want(place, self.now)
        self._moved([place])

    def end(self, place: Place, error: DeliveryError | None = None) -> None:
        """A mail that is under way has ended."""
        self.lane.ended(place, error, self.now)
        self.leave(place)

    def leave(self, place: Place) -> None:
        """A mail's block is left."""
        self.lane.leave(place, self.now)
        self.step()

    def step(self) -> None:
        self._moved(self.lane.step(self.now))

    def run(self, seconds: float) -> None:
        """Lets time pass; the lane is looked at whenever it asked for it."""
        until = self.now + seconds
        while (at := self.lane.wake_at(self.now)) is not None and at <= until:
            self.now = max(self.now, at)
            self.step()
        self.now = until
        self.step()

    def under_way(self) -> list[Place]:
        return [place for place in self.sent if place.stand is Stand.UNDER_WAY]

    def refusals(self) -> list[Aside]:
        """Where the mails were sent to that had been let in."""
        return [place.refusal for place in self.out if place.refusal is not None]

    def finish(self, error: DeliveryError | None = None) -> None:
        """Everything under way ends."""
        for place in self.under_way():
            self.end(place, error)

    def successor(
        self, limits: Limits | None = None, *, now: float | None = None, owner: str = "two", account: str = ""
    ) -> "Driven":
        """A lane of another process that goes on from this one's memory, by way of its bytes."""
        memory = from_bytes(to_bytes(self.lane.remember("one", self.now)))
        assert memory is not None
        start = self.now if now is None else now
        other = Driven(limits or self.lane.limits, now=start, wall=self.wall + self.now, account=account)
        other.lane.recall("acme", memory, owner, other.now, other.now + other.wall)
        return other

    def _moved(self, places) -> None:
        for place in places:
            if place.stand is Stand.NEAR and self.asking:
                self.lane.want(place, self.now)
            if place.stand is Stand.UNDER_WAY:
                self.sent.append(place)
                if self.handing:
                    self.lane.begins(place, self.now)
            elif place.stand is Stand.OUT:
                self.out.append(place)
                self.lane.leave(place, self.now)
