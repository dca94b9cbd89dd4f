"""When mail that goes aside is to come back: a tail of promises for each organisation and kind of mail. Pure.

The promises only spread what goes aside; what was sent is what gates a send. Fresh mail is promised a little less than
the rate, so that a promised backlog leaves room; what comes back and must go aside again gets the full rate, and
``high`` mail has a clock of its own, since it goes first. How far apart is told by :class:`Spacing`.
"""

from dataclasses import dataclass
from typing import Final

from consumer.lane_line import Rank

SHORTEST: Final = 1.0
"""Seconds of the shortest wait queue."""

_LOOK_EVERY: Final = 5.0


@dataclass(frozen=True, slots=True)
class Spacing:
    """Seconds between two promises: ``full`` is that of real starts, ``fresh`` the one for fresh mail.

    Nothing is promised for later than ``horizon`` seconds after the first free moment: what rests on an observation,
    not on an agreed rate, may be quite another thing soon.
    """

    full: float
    fresh: float
    horizon: float


@dataclass(slots=True)
class Tails:
    """The last moments promised to one organisation."""

    high: float = 0.0
    due: float = 0.0
    fresh: float = 0.0

    @property
    def last(self) -> float:
        """The latest of all."""
        return max(self.high, self.due, self.fresh)


class Promises:
    """The tails of one lane. Organisations share it, so the promises of each are the wider apart the more they are."""

    def __init__(self) -> None:
        self._tails: dict[str, Tails] = {}
        self._looked = 0.0

    def only(self, now: float) -> tuple[float, float, float]:
        """The tails (high, due, fresh) of a lane that is one organisation's own; 0 for what lies in the past."""
        tails = next(iter(self._tails.values()), Tails())
        high, due, fresh = (tail if tail > now else 0.0 for tail in (tails.high, tails.due, tails.fresh))
        return high, due, fresh

    def clear(self) -> None:
        """Forgets all promises: they were made by limits that hold no longer."""
        self._tails.clear()

    def set(self, organization: str, tails: Tails) -> None:
        """Takes over what was promised elsewhere."""
        self._tails[organization] = tails

    def promise(self, organization: str, rank: Rank, earliest: float, spacing: Spacing, now: float) -> float:
        """Seconds after which a mail is to come back, not before ``earliest``."""
        if now - self._looked >= _LOOK_EVERY:
            self._looked = now
            self._forget(now)
        tails = self._tails.get(organization)
        if tails is None:
            tails = self._tails[organization] = Tails()
        sharers = len(self._tails)
        latest = earliest + spacing.horizon
        if rank <= Rank.HIGH:
            at = tails.high = min(latest, max(tails.high + spacing.full * sharers, earliest))
        elif rank is Rank.DUE:
            at = tails.due = min(latest, max(tails.due + spacing.full * sharers, earliest))
        else:
            at = tails.fresh = min(latest, max(tails.fresh + spacing.fresh * sharers, tails.due, earliest))
        return max(at - now, SHORTEST)

    def _forget(self, now: float) -> None:
        for organization in [name for name, tails in self._tails.items() if tails.last <= now]:
            del self._tails[organization]
