"""Lanes: when a mail may leave by its account, how long it waits here, and when it is to come back. Pure decisions.

A lane is one account. It never lets more mails be under way than agreed, nor more begin in any minute or on any day,
wherever between start and end a mail arrives. What cannot leave within about two seconds goes aside with a promise.
Time is an argument, in seconds of a monotonic clock; randomness there is none.
"""

from dataclasses import replace
from functools import partial
from typing import Final

from config.limits import Limits
from consumer.lane_account import Account
from consumer.lane_cuts import Cuts
from consumer.lane_gate import AGAIN, CUT, Gate
from consumer.lane_line import Aside, Line, Place, Rank, Stand
from consumer.lane_memory import Memory
from consumer.lane_near import Near
from consumer.lane_promises import Promises, Skimmed
from consumer.lane_switch import Change, Name
from consumer.outcome import Reason
from transports.errors import Code, DeliveryError

PATIENCE: Final = 2.0
"""Seconds that a mail may be expected to wait here."""

_GRACE: Final = 5.0
"""Seconds by which a send may overrun its deadline before it is cut off."""


class Lane:
    """One account's lane. Its mails are :class:`Place` objects; their ``stand`` says how far each has come.

    A mail goes ``enter`` → (WAITING →) NEAR → ``want`` → (READY →) UNDER_WAY → ``ended`` → ``leave``; it may leave at
    any point. After each call, :meth:`step` gives the mails whose stand has changed by it, and :meth:`wake_at` says
    when to call it again. ``deadline`` is the longest a send may take, ``wall`` the wall clock's time at ``now``,
    ``account`` a fingerprint of the account. A ``shared`` lane is one for several organisations.
    """

    def __init__(
        self, limits: Limits, *, now: float, wall: float, deadline: float, account: str = "", shared: bool = False
    ) -> None:
        self._account = Account(limits, now=now, ahead=wall - now, slack=CUT + _GRACE, deadline=deadline)
        self.account = Name(account)
        self._line = Line()
        self._near = Near(shared=shared)
        self._gate = Gate(self._account, self._near, self._line)
        self._promises = Promises()
        self._away = Skimmed()
        self._cuts = Cuts()
        self.in_hand = 0
        self.used = now
        self.changed = False
        """Whether the memory is to be written; whoever has written it resets it."""

    @property
    def limits(self) -> Limits:
        """What was agreed."""
        return self._account.limits

    def use(self, limits: Limits, account: str, now: float) -> None:
        """What holds from the next mail on; ``account`` is a fingerprint."""
        change = self.account.change(account, now)
        if change is Change.LATE:
            return
        if change is Change.OTHER:
            self._account.replaced(now)
            self.changed = True
        if change is Change.OTHER or limits != self.limits:
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

    def held(self, now: float) -> bool:
        """Whether the provider wants no mail now."""
        return self._account.learning.hold > now

    def enter(self, place: Place, now: float) -> Aside | None:
        """A mail arrives: it is NEAR or WAITING afterwards, or it must go aside."""
        place.since = self.used = now
        if place.crowded and self._line.over_share(place, self.limits.concurrency):
            return self._skimmed(place, now)
        if place.rank is Rank.DUE:
            self._away.back(place.organization)
        if self._gate.may_enter(place, now):
            self._line.join(place)
            self._bring_near(place)
        else:
            if not self._gate.may_wait(place, now, PATIENCE):
                self._line.passed(place.organization, now)
                return self._aside(place, now)
            self._line.join(place)
            self._line.push(place)
            place.stand = Stand.WAITING
            self._cuts.add(place, place.since + CUT)
        self.in_hand += 1
        return None

    def skim(self, organization: str, rank: Rank, now: float) -> Aside | None:
        """Where one more mail of an organisation goes in a crowded partition; ``None`` if it may come in."""
        place = Place(organization, rank)
        return self._skimmed(place, now) if self._line.over_share(place, self.limits.concurrency) else None

    def want(self, place: Place, now: float) -> None:
        """A NEAR mail has asked what it had to: it is UNDER_WAY afterwards, READY, or OUT."""
        most = self._gate.most(now)
        if self._gate.may_start(now) and self._near.first(most) is None and not self._near.busy(place, most):
            self._start(place, now)
        elif not self._gate.may_stay(place, now) or self._account.learning.hold > now + PATIENCE:
            self._put_out(place, now)
        else:
            place.stand = Stand.READY
            self._near.asked(place, most)
            self._cuts.add(place, place.since + CUT)

    def begins(self, place: Place, now: float) -> None:
        """A mail that is UNDER_WAY is handed over now; before that it only counts."""
        self._account.begins(place, now)

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
        most = self._gate.most(now)
        while self._near.pending and self._gate.may_start(now) and (ready := self._near.first(most)) is not None:
            self._start(ready, now)
            moved.append(ready)
        for place in self._cuts.past(now):
            if self._gate.may_stay(place, now):
                self._cuts.add(place, now + AGAIN)
            else:
                self._put_out(place, now)
                moved.append(place)
        full = None if most is None else partial(self._near.full, most=most)
        while self._gate.may_come_near(now) and (following := self._line.pop(now, full)) is not None:
            if self._account.day_wait(following.units, now) > 0:
                self._refuse(following, now)
            else:
                self._bring_near(following)
            moved.append(following)
        return moved

    def wake_at(self, now: float) -> float | None:
        """When :meth:`step` has something to do if nothing else happens; ``None`` if nobody waits."""
        cut = self._cuts.next()
        if cut is None:
            return None
        return max(now, min([cut, *self._gate.openings(now)]))

    def forgive(self) -> None:
        """Forgets what the provider complained of: the account is another one now."""
        self._account.learning.forgive()
        self.changed = True

    def remember(self, owner: str, now: float) -> Memory:
        """What another process must know of this account. ``owner`` names this process."""
        memory = self._account.remember(owner, len(self._near), now)
        return replace(self._promises.remember(memory, now), account=self.account.now)

    def recall(self, organization: str, memory: Memory, owner: str, now: float, wall: float) -> None:
        """Goes on, empty as yet, from a memory of this account; the promises in it are for ``organization``."""
        if memory.account and self.account.now not in ("", memory.account):
            return
        self._account.recall(memory, now, own=memory.owner == owner)
        self._promises.recall(organization, memory, wall - now)

    def _aside(self, place: Place, now: float) -> Aside:
        reason = Code.THROTTLED if self.held(now) else Reason.PACED
        self.changed = True
        alone = self._gate.most(now) if self._promises.sharers < 2 else None
        earliest, spacing = self._gate.starts_at(place, now), self._account.spacing(place.units, alone, now)
        return Aside(self._promises.promise(place.organization, place.rank, earliest, spacing, now), reason)

    def _skimmed(self, place: Place, now: float) -> Aside:
        spacing = self._account.crowd_spacing(now)
        if spacing is None:
            return self._aside(place, now)
        if place.rank is Rank.DUE:
            self._away.back(place.organization)
        return Aside(self._away.away(place.organization, spacing.full, now), Reason.CROWDED)

    def _bring_near(self, place: Place) -> None:
        place.stand = Stand.NEAR
        self._near.add(place)
        self._account.reserve(place)
        self.changed |= self.limits.paced

    def _start(self, place: Place, now: float) -> None:
        self._withdraw(place)
        place.stand = Stand.UNDER_WAY
        self._near.started(place)
        self._account.start(place, now)

    def _end(self, place: Place, now: float) -> None:
        place.stand = Stand.LEFT
        self._near.ended(place)
        self._account.end(place, now)
        self.used = now
        self.changed |= self.limits.paced

    def _withdraw(self, place: Place) -> None:
        if place.stand is Stand.WAITING:
            self._line.remove(place)
        elif place in self._near:
            self._near.remove(place)
            self._line.resume(place.organization)
            self._account.release(place)
            self.changed |= self.limits.paced

    def _put_out(self, place: Place, now: float) -> None:
        self._withdraw(place)
        self._refuse(place, now)

    def _refuse(self, place: Place, now: float) -> None:
        place.refusal = self._aside(place, now)
        place.stand = Stand.OUT

    def _flush(self, moved: list[Place], now: float) -> None:
        """Nothing leaves for longer than anybody waits here."""
        for place in self._near.ready():
            self._put_out(place, now)
            moved.append(place)
        while (waiting := self._line.pop(now)) is not None:
            self._refuse(waiting, now)
            moved.append(waiting)
