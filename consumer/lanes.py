"""Lanes: when a mail may leave by its account, how long it waits here, and when it is to come back. Pure decisions.

A lane is one account. It never lets more mails be under way than agreed, nor more begin in any minute or on any day,
wherever between start and end a mail arrives. What cannot leave within about two seconds goes aside with a promise.
Time is an argument, in seconds of a monotonic clock; randomness there is none.
"""

from collections import OrderedDict
from dataclasses import replace
from typing import Final

from config.limits import Limits
from consumer.lane_account import Account
from consumer.lane_cuts import Cuts
from consumer.lane_line import Aside, Line, Place, Rank, Stand
from consumer.lane_memory import Memory
from consumer.lane_promises import Promises, Tails
from consumer.outcome import Reason
from transports.errors import Code, DeliveryError

PATIENCE: Final = 2.0
"""Seconds that a mail may be expected to wait here."""

CUT: Final = 2.25
"""Seconds after which it goes aside, whatever was expected."""

_LEAD: Final = 0.1
"""Seconds before its start in which a mail of a paced lane may ask what must be asked."""

_GRACE: Final = 5.0
"""Seconds by which a send may overrun its deadline before it is cut off."""


class Lane:
    """One account's lane. Its mails are :class:`Place` objects; their ``stand`` says how far each has come.

    A mail goes ``enter`` → (WAITING →) NEAR → ``want`` → (READY →) UNDER_WAY → ``ended`` → ``leave``; it may leave at
    any point. After each call, :meth:`step` gives the mails whose stand has changed by it, and :meth:`wake_at` says
    when to call it again. ``deadline`` is the longest a send may take, ``wall`` the wall clock's time at ``now``.
    """

    def __init__(self, limits: Limits, *, now: float, wall: float, deadline: float) -> None:
        self._account = Account(limits, now=now, ahead=wall - now, slack=CUT + _GRACE, deadline=deadline)
        self._line = Line()
        self._promises = Promises()
        self._near: dict[Place, None] = {}
        self._ready: OrderedDict[Place, None] = OrderedDict()
        self._cuts = Cuts()
        self.in_hand = 0
        self.used = now
        self.changed = False
        """Whether the memory is to be written; whoever has written it resets it."""

    @property
    def limits(self) -> Limits:
        """What was agreed."""
        return self._account.limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        if limits != self._account.limits:
            self._promises.clear()
        self._account.limits = limits

    @property
    def waiting(self) -> int:
        """Mails that are not under way."""
        return self._line.waiting + len(self._near)

    @property
    def under_way(self) -> int:
        """Mails that are under way."""
        return self._account.under_way

    @property
    def paced(self) -> bool:
        """Whether what happens to each mail must be remembered."""
        return self.limits.per_minute is not None or self.limits.per_day is not None

    def held(self, now: float) -> bool:
        """Whether the provider wants no mail now."""
        return self._account.learning.hold > now

    def enter(self, place: Place, now: float) -> Aside | None:
        """A mail arrives: it is NEAR or WAITING afterwards, or it must go aside."""
        place.since = self.used = now
        if place.crowded and self._line.over_share(place, self.limits.concurrency):
            return self._aside(place, now, Reason.CROWDED)
        if not self._line.waiting and self._near_free(now) and not self._account.day_wait(place.units, now):
            self._line.join(place)
            self._bring_near(place)
        else:
            if self._starts_at(place, now) > now + PATIENCE:
                self._line.passed(place.organization, now)
                return self._aside(place, now)
            self._line.join(place)
            self._line.push(place)
            place.stand = Stand.WAITING
            self._cuts.add(place, place.since + CUT)
        self.in_hand += 1
        return None

    def want(self, place: Place, now: float) -> None:
        """A NEAR mail has asked what it had to: it is UNDER_WAY afterwards, READY, or OUT."""
        if not self._ready and self._may_start(now):
            self._start(place, now)
        elif now >= place.since + CUT or self._account.learning.hold > now + PATIENCE:
            self._put_out(place, now)
        else:
            place.stand = Stand.READY
            self._ready[place] = None
            if place.rank <= Rank.HIGH:
                self._ready.move_to_end(place, last=False)
            self._cuts.add(place, place.since + CUT)

    def ended(self, place: Place, error: DeliveryError | None, now: float) -> None:
        """A mail that was UNDER_WAY has ended, with what the provider said."""
        self._end(place, now)
        if self._account.answered(place, error, now):
            self.changed = True

    def leave(self, place: Place, now: float) -> None:
        """A mail that was let in is done with; if it is UNDER_WAY, it has ended and nobody knows how."""
        if place.stand is Stand.UNDER_WAY:
            self._end(place, now)
        self._withdraw(place)
        place.stand = Stand.LEFT
        self._line.leave(place)
        self.in_hand -= 1

    def step(self, now: float) -> list[Place]:
        """Lets go on what can, and sends aside what has waited too long; those mails have a new stand."""
        moved: list[Place] = []
        if self._account.learning.hold > now + PATIENCE:
            self._flush(moved, now)
        while self._ready and self._may_start(now):
            place = next(iter(self._ready))
            self._start(place, now)
            moved.append(place)
        for place in self._cuts.past(now):
            self._put_out(place, now)
            moved.append(place)
        while self._line.waiting and self._near_free(now):
            place = self._line.pop(now)
            if self._account.day_wait(place.units, now) > 0:
                self._refuse(place, now)
            else:
                self._bring_near(place)
            moved.append(place)
        return moved

    def wake_at(self, now: float) -> float | None:
        """When :meth:`step` has something to do if nothing else happens; ``None`` if nobody waits."""
        cut = self._cuts.next()
        if cut is None:
            return None
        times = [cut]
        if self._ready and self._account.room(now) > 0:
            times.append(self._account.open_at(0, now))
        if self._line.waiting and self._has_room_near(now):
            times.append(self._account.open_at(len(self._near), now) - _LEAD)
        others = self._account.others_until(now)
        if others is not None:
            times.append(others)
        return max(now, min(times))

    def forgive(self) -> None:
        """Forgets what the provider complained of: the account is another one now."""
        learning = self._account.learning
        learning.less, learning.share, learning.hold = 0, 1.0, 0.0
        self.changed = True

    def remember(self, owner: str, now: float) -> Memory:
        """What another process must know of this account. ``owner`` names this process."""
        memory = self._account.remember(owner, len(self._near), now)
        ahead = memory.at - now
        high, due, fresh = (tail and tail + ahead for tail in self._promises.only(now))
        return replace(memory, high=high, due=due, fresh=fresh)

    def recall(self, organization: str, memory: Memory, owner: str, now: float, wall: float) -> None:
        """Goes on from a memory; the lane must be empty. ``organization`` is the one that the promises are for."""
        self._account.recall(memory, now, own=memory.owner == owner)
        ahead = wall - now
        self._promises.set(organization, Tails(memory.high - ahead, memory.due - ahead, memory.fresh - ahead))

    def _starts_at(self, place: Place, now: float) -> float:
        before = len(self._near) + self._line.ahead(place.organization, place.rank, now)
        at = max(self._account.open_at(before, now), self._account.place_at(before, now))
        return max(at, now + self._account.day_wait(place.units, now))

    def _aside(self, place: Place, now: float, reason: Reason | Code | None = None) -> Aside:
        if reason is None:
            reason = Code.THROTTLED if self.held(now) else Reason.PACED
        self.changed = True
        earliest, spacing = self._starts_at(place, now), self._account.spacing(now)
        return Aside(self._promises.promise(place.organization, place.rank, earliest, spacing, now), reason)

    def _has_room_near(self, now: float) -> bool:
        # As many again as may be under way, so that the next ones have asked when those before them end.
        return len(self._near) < self._account.room(now) + self.limits.concurrency

    def _near_free(self, now: float) -> bool:
        return self._has_room_near(now) and self._account.open_at(len(self._near), now) <= now + _LEAD

    def _may_start(self, now: float) -> bool:
        return self._account.room(now) > 0 and self._account.open_at(0, now) <= now

    def _bring_near(self, place: Place) -> None:
        place.stand = Stand.NEAR
        self._near[place] = None
        self._account.reserve(place.units)
        self.changed |= self.paced

    def _start(self, place: Place, now: float) -> None:
        self._withdraw(place)
        place.stand = Stand.UNDER_WAY
        self._account.start(place, now)

    def _end(self, place: Place, now: float) -> None:
        place.stand = Stand.LEFT
        self._account.end(place, now)
        self.used = now
        self.changed |= self.paced

    def _withdraw(self, place: Place) -> None:
        if place.stand is Stand.WAITING:
            self._line.remove(place)
        elif place in self._near:
            del self._near[place]
            self._ready.pop(place, None)
            self._account.release(place.units)
            self.changed |= self.paced

    def _put_out(self, place: Place, now: float) -> None:
        self._withdraw(place)
        self._refuse(place, now)

    def _refuse(self, place: Place, now: float) -> None:
        place.refusal = self._aside(place, now)
        place.stand = Stand.OUT

    def _flush(self, moved: list[Place], now: float) -> None:
        """Nothing leaves for longer than anybody waits here."""
        for place in list(self._ready):
            self._put_out(place, now)
            moved.append(place)
        while self._line.waiting:
            place = self._line.pop(now)
            self._refuse(place, now)
            moved.append(place)
