"""Whether and when mails of a lane may come near and start: by its account, by who is near, by who stands in line."""

from typing import Final

from consumer.lane_account import Account
from consumer.lane_line import Line, Place
from consumer.lane_near import Near, most_of

_MANY: Final = 2048
"""Mails that wait at most for an account of which nobody knows how quick it is."""

_LEAD: Final = 0.1
"""Seconds before its start in which a mail of a paced lane may ask what must be asked."""


CUT: Final = 2.25
"""Seconds after which a mail goes aside, whatever was expected."""

AGAIN: Final = 0.5
CUT_QUICK: Final = 8.0
"""The same where mails take little: putting off what leaves in seconds costs more than holding it, and neighbours in a
crowded partition are not held up by it."""


class Gate:
    """The questions that a lane asks of its parts. Pure, and nothing changes by them."""

    __slots__ = ("_account", "_line", "_near")

    def __init__(self, account: Account, near: Near, line: Line) -> None:
        self._account = account
        self._near = near
        self._line = line

    def most(self, now: float) -> int | None:
        """How many mails of one organisation may be under way; ``None``: all."""
        if not self._near.shared:
            return None
        limits = self._account.limits
        return most_of(limits.concurrency, self._account.learning.concurrency(limits, now))

    def may_start(self, now: float) -> bool:
        """Whether a mail may start."""
        return self._account.room(now) > 0 and self._account.open_at(0, now) <= now

    def may_come_near(self, now: float) -> bool:
        """Whether one more may come near."""
        return self._has_room_near(now) and self._account.open_at(self._near.before, now) <= now + _LEAD

    def may_enter(self, place: Place, now: float) -> bool:
        """Whether a mail may come near as it arrives, since nobody waits that goes before it."""
        if (self._line.waiting and self._line.has_next) or not self.may_come_near(now):
            return False
        return not self._near.full(place.organization, self.most(now)) and not self._account.day_wait(place.units, now)

    def may_stay(self, place: Place, now: float) -> bool:
        """Whether a mail may wait on; it is to be asked again after ``CUT`` seconds, and then every ``AGAIN``."""
        return now < place.since + (CUT_QUICK if self._account.quick(now) else CUT)

    def may_wait(self, place: Place, now: float, patience: float) -> bool:
        """Whether a mail may join the line: it is likely to start within ``patience`` seconds, or nobody can tell."""
        if self.starts_at(place, now) <= now + patience:
            return True
        # How long a quick account takes is a guess, and soon another: whoever waits too long in fact is put out then.
        quick = self._account.quick(now) and not self._account.day_wait(place.units, now)
        return quick and self._line.waiting < _MANY

    def starts_at(self, place: Place, now: float) -> float:
        """When a mail is likely to start that joins the line now."""
        account, organization = self._account, place.organization
        before = self._near.before + self._line.ahead(organization, place.rank, now)
        at = max(account.open_at(before, now), account.place_at(before, now))
        most = self.most(now)
        if most is not None:
            own = self._near.own(organization) + self._line.own(organization, place.rank, now)
            at = max(at, account.share_at(own - most, most, now))
        return max(at, now + account.day_wait(place.units, now))

    def openings(self, now: float) -> list[float]:
        """Moments at which more may start or come near than now, though nothing ends."""
        times = []
        if self._near.pending and self._account.room(now) > 0:
            times.append(self._account.open_at(0, now))
        if self._line.has_next and self._has_room_near(now):
            times.append(self._account.open_at(self._near.before, now) - _LEAD)
        others = self._account.others_until(now)
        if others is not None:
            times.append(others)
        return times

    def _has_room_near(self, now: float) -> bool:
        # As many again as may be under way, so that the next ones have asked when those before them end.
        return len(self._near) < self._account.room(now) + self._account.limits.concurrency
