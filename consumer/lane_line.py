"""The line of a lane: organisations in turn, and within one the urgent mail first. Pure; every step is O(1).

What must be told apart is said once, when a mail joins (:class:`Rank`). Within an organisation a lower rank goes first,
but mail of the higher ones is not passed over for longer than ``PATIENCE_OF_NORMAL`` in a row.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, IntEnum, auto
from typing import Final

from consumer.outcome import Reason
from transports.errors import Code

PATIENCE_OF_NORMAL: Final = 30.0
"""Seconds for which ``high`` mail may pass an organisation's other mail before one of it goes."""

LITTLE: Final = 16
"""Mails that an organisation may have in hand however crowded its partition is."""


class Rank(IntEnum):
    """Who goes first within an organisation. ``DUE`` comes back at a time that was promised to it."""

    HIGH_DUE = 0
    HIGH = 1
    DUE = 2
    FRESH = 3

    @classmethod
    def of(cls, *, high: bool, due: bool) -> "Rank":
        """The rank of a mail."""
        if high:
            return cls.HIGH_DUE if due else cls.HIGH
        return cls.DUE if due else cls.FRESH


class Stand(Enum):
    """How far a mail in a lane has come."""

    WAITING = auto()
    NEAR = auto()
    """Among the next few: what must be asked before a send can be asked now."""

    READY = auto()
    """Near, and waiting for nothing but its start."""

    UNDER_WAY = auto()
    OUT = auto()
    """Sent aside, with ``Place.refusal``."""

    LEFT = auto()


@dataclass(frozen=True, slots=True)
class Aside:
    """The mail cannot leave soon: it is to come back after so many seconds."""

    after: float
    reason: Reason | Code


@dataclass(slots=True, eq=False)
class Place:
    """One mail in a lane, with ``units`` recipients.

    ``since`` is when it came, ``began`` when it was let go, ``asked`` when the provider was asked: between the two is
    what is checked once more. ``reserved`` is what it takes of the day's budget while it is near.
    """

    organization: str
    rank: Rank
    units: int = 1
    crowded: bool = False
    since: float = 0.0
    began: float = 0.0
    asked: float | None = None
    reserved: int = 0
    stand: Stand = Stand.LEFT
    refusal: Aside | None = None


@dataclass(slots=True, eq=False)
class Member:
    """An organisation with mail in the lane. ``held`` counts what it has in hand, ``waiting`` what stands in line.

    ``parked``: it is passed over until :meth:`Line.resume`, though mail of it waits.
    """

    name: str
    held: int = 0
    waiting: int = 0
    in_ring: bool = False
    parked: bool = False
    passed_since: float | None = None
    queues: tuple[OrderedDict[Place, None], ...] = ()
    """By rank, from the first mail on that has to wait: few do."""

    def starves(self, now: float) -> bool:
        """Whether ``high`` mail has passed the other mail for too long, so that one of it goes first now."""
        return self.passed_since is not None and now - self.passed_since >= PATIENCE_OF_NORMAL

    def ahead(self, rank: Rank, now: float) -> int:
        """How many of its own mails would go before another one of this rank."""
        if not self.queues:
            return 0
        if rank >= Rank.DUE and self.starves(now):
            return len(self.queues[Rank.DUE]) + (len(self.queues[Rank.FRESH]) if rank is Rank.FRESH else 0)
        return sum(len(queue) for queue in self.queues[: rank + 1])


class Line:
    """Who waits, and who is next."""

    def __init__(self) -> None:
        self._members: dict[str, Member] = {}
        self._ring: deque[Member] = deque()
        self.waiting = 0
        self._active = 0

    def over_share(self, place: Place, concurrency: int) -> bool:
        """Whether its organisation has enough in hand, from :meth:`join` to :meth:`leave`, for a crowded partition."""
        member = self._members.get(place.organization)
        if member is None:
            return False
        most = max(LITTLE, 4 * -(-concurrency // len(self._members)))
        # What is urgent or was promised may come on top of what fills the share.
        return member.held >= (most if place.rank is Rank.FRESH else 2 * most)

    def join(self, place: Place) -> None:
        """The mail is in hand, waiting or not."""
        member = self._members.get(place.organization)
        if member is None:
            member = self._members[place.organization] = Member(place.organization)
        member.held += 1

    def leave(self, place: Place) -> None:
        """The mail is no longer in hand; it must not wait any more."""
        member = self._members[place.organization]
        member.held -= 1
        if not member.held:
            del self._members[place.organization]

    def push(self, place: Place) -> None:
        """A joined mail goes to the end of its rank."""
        member = self._members[place.organization]
        if not member.queues:
            member.queues = (OrderedDict(), OrderedDict(), OrderedDict(), OrderedDict())
        member.queues[place.rank][place] = None
        member.waiting += 1
        self.waiting += 1
        if member.waiting == 1:
            self._active += 1
        if not member.in_ring:
            member.in_ring = True
            self._ring.append(member)

    def remove(self, place: Place) -> None:
        """A waiting mail waits no more."""
        member = self._members[place.organization]
        del member.queues[place.rank][place]
        self._one_less(member)

    @property
    def has_next(self) -> bool:
        """Whether it is worth asking for the next mail."""
        return bool(self._ring)

    def pop(self, now: float, full: Callable[[str], bool] | None = None) -> Place | None:
        """The next mail; its organisation then is the last in turn. ``None`` if nobody is to go.

        An organisation that is ``full`` is passed over until :meth:`resume`.
        """
        while self._ring:
            member = self._ring.popleft()
            if not member.waiting:
                member.in_ring = False  # its mails went aside meanwhile
                continue
            if full is not None and full(member.name):
                member.parked = True
                continue
            place = self._next_of(member, now)
            self._one_less(member)
            if member.waiting:
                self._ring.append(member)
            else:
                member.in_ring = False
            return place
        return None

    def resume(self, organization: str) -> None:
        """An organisation that was passed over is the last in turn again."""
        member = self._members.get(organization)
        if member is not None and member.parked:
            member.parked = False
            self._ring.append(member)

    def own(self, organization: str, rank: Rank, now: float) -> int:
        """How many of an organisation's own mails go before one that joins now."""
        member = self._members.get(organization)
        return 0 if member is None else member.ahead(rank, now)

    def ahead(self, organization: str, rank: Rank, now: float) -> int:
        """About how many mails go before one that joins now; never fewer by much, and O(1)."""
        member = self._members.get(organization)
        if member is None:
            return min(self.waiting, self._active)
        own = member.ahead(rank, now)
        others = self._active - (member.waiting > 0)
        return own + min(self.waiting - member.waiting, (own + 1) * others)

    def passed(self, organization: str, now: float) -> None:
        """Mail of an organisation that is not ``high`` was sent aside because ``high`` mail goes first."""
        member = self._members.get(organization)
        if member is not None and member.passed_since is None and any(member.queues[: Rank.DUE]):
            member.passed_since = now

    def _one_less(self, member: Member) -> None:
        member.waiting -= 1
        self.waiting -= 1
        if not member.waiting:
            self._active -= 1

    @staticmethod
    def _next_of(member: Member, now: float) -> Place:
        high_first, high, due, fresh = member.queues
        if due or fresh:
            if (high_first or high) and not member.starves(now):
                if member.passed_since is None:
                    member.passed_since = now
            else:
                member.passed_since = None
                return (due or fresh).popitem(last=False)[0]
        return (high_first or high).popitem(last=False)[0]
