"""When mail that goes aside is to come back: a tail of promises for each organisation and kind of mail. Pure.

The promises only spread what goes aside; what was sent is what gates a send. Fresh mail is promised a little less than
the rate, so that a promised backlog leaves room; what comes back and must go aside again gets the full rate, and
``high`` mail has a clock of its own, since it goes first. How far apart is told by :class:`Spacing`.

No wait is longer than ``LONGEST``, so that mail finds out in time when there is more room than there was.
"""

from dataclasses import dataclass, replace
from typing import Final

from consumer.lane_line import Rank
from consumer.lane_memory import Memory
from consumer.names import WAIT_TIERS

SHORTEST: Final = 1.0
"""Seconds of the shortest wait queue."""

LONGEST: Final = float(WAIT_TIERS[-1])
"""Seconds of the longest wait queue: an earlier look costs no more hops than a later one."""

_LOOK_EVERY: Final = 5.0

_STEPS: Final = tuple(float(step) for step in WAIT_TIERS if step <= 60)


class Skimmed:
    """What was skimmed off a long queue and has not come back, by organisation: the next one goes behind it."""

    def __init__(self) -> None:
        self._away: dict[str, int] = {}
        self._last = 0.0

    def back(self, organization: str) -> None:
        """One that was away is there again."""
        left = self._away.get(organization, 0) - 1
        if left > 0:
            self._away[organization] = left
        else:
            self._away.pop(organization, None)

    def away(self, organization: str, apart: float, now: float) -> float:
        """Seconds, those of one wait queue, after which one more comes back; ``apart`` is the time of each."""
        if now - self._last > 2 * _STEPS[-1]:
            self._away.clear()  # whoever has not come back by now has gone another way
        self._last = now
        count = self._away[organization] = self._away.get(organization, 0) + 1
        seconds = count * apart * len(self._away)
        return max((step for step in _STEPS if step <= seconds), default=_STEPS[0])


@dataclass(frozen=True, slots=True)
class Spacing:
    """Seconds between two promises: ``full`` is that of real starts, ``fresh`` the one for fresh mail.

    Nothing is promised a moment of its own that is later than ``horizon`` seconds after the first free one. What would
    be is to look again then; by an ``observed`` spacing one after the other, twice as fast as they are expected to
    leave, so that half of them find a moment of their own by then, and few look often.
    """

    full: float
    fresh: float
    horizon: float = LONGEST
    observed: bool = False


@dataclass(slots=True)
class Tails:
    """The last moments promised, to one organisation or to all."""

    high: float = 0.0
    due: float = 0.0
    fresh: float = 0.0
    look: float = 0.0
    """When the last of those looks again that were promised no moment of their own."""

    @property
    def last(self) -> float:
        """The latest of all."""
        return max(self.high, self.due, self.fresh, self.look)

    def following(self, rank: Rank, spacing: Spacing, sharers: int, earliest: float) -> float:
        """The moment after the last one, not before ``earliest``."""
        if rank <= Rank.HIGH:
            return max(self.high + spacing.full * sharers, earliest)
        if rank is Rank.DUE:
            return max(self.due + spacing.full * sharers, earliest)
        return max(self.fresh + spacing.fresh * sharers, self.due, earliest)

    def put(self, rank: Rank, at: float) -> None:
        """The last moment now."""
        if rank <= Rank.HIGH:
            self.high = at
        elif rank is Rank.DUE:
            self.due = at
        else:
            self.fresh = at


class Promises:
    """The tails of one lane. Organisations share it, so the promises of each are the wider apart the more they are.

    They are not always as many as they were, so there is a tail of all of them as well: it is as far as all mail
    together reaches, and nothing is promised for later.
    """

    def __init__(self) -> None:
        self._tails: dict[str, Tails] = {}
        self._all = Tails()
        self._looked = 0.0

    def remember(self, memory: Memory, now: float) -> Memory:
        """The memory with the tails of a lane that is one organisation's own; 0 for what lies in the past."""
        ahead, tails = memory.at - now, next(iter(self._tails.values()), Tails())
        high, due, fresh = (tail + ahead if tail > now else 0.0 for tail in (tails.high, tails.due, tails.fresh))
        return replace(memory, high=high, due=due, fresh=fresh)

    def recall(self, organization: str, memory: Memory, ahead: float) -> None:
        """Takes over what was promised elsewhere; ``ahead`` is how far the wall clock is ahead of ours."""
        high, due, fresh = memory.high - ahead, memory.due - ahead, memory.fresh - ahead
        self._tails[organization] = Tails(high, due, fresh)
        self._all = Tails(high, due, fresh)

    @property
    def sharers(self) -> int:
        """Organisations that were promised something."""
        return len(self._tails)

    def clear(self) -> None:
        """Forgets all promises: they were made by limits that hold no longer."""
        self._tails.clear()
        self._all = Tails()

    def promise(self, organization: str, rank: Rank, earliest: float, spacing: Spacing, now: float) -> float:
        """Seconds after which a mail is to come back, not before ``earliest``."""
        if now - self._looked >= _LOOK_EVERY:
            self._looked = now
            self._forget(now)
        tails = self._tails.get(organization)
        if tails is None:
            tails = self._tails[organization] = Tails()
        latest = min(earliest + spacing.horizon, now + LONGEST)
        last = self._all.following(rank, spacing, 1, earliest)
        at = min(tails.following(rank, spacing, len(self._tails), earliest), last)
        self._all.put(rank, min(last, latest))
        tails.put(rank, min(at, latest))
        if at > latest:
            at = self._look(tails, spacing, latest, now + LONGEST) if spacing.observed else latest
        return max(at - now, SHORTEST)

    def _look(self, tails: Tails, spacing: Spacing, earliest: float, latest: float) -> float:
        """When the next mail is to look again."""
        step = spacing.full / 2
        self._all.look = min(max(self._all.look + step, earliest), latest)
        tails.look = min(max(tails.look + step * len(self._tails), earliest), self._all.look)
        return tails.look

    def _forget(self, now: float) -> None:
        for organization in [name for name, tails in self._tails.items() if tails.last <= now]:
            del self._tails[organization]
