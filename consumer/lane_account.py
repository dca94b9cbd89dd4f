"""What an account may be asked to do now, by its limits, by what it was asked to do, and by what it answered. Pure."""

import math
from typing import Final

from config.limits import Limits
from consumer.lane_learning import Learning
from consumer.lane_line import Place
from consumer.lane_memory import Memory
from consumer.lane_promises import Spacing
from consumer.lane_rate import DAY, MINUTE, Day, Minute, Starts
from transports.errors import DeliveryError

_MARGIN: Final = 1.02
"""Starts are spaced this much wider than the rate, so that the window of a minute rarely has to stop them."""

_FRESH_SHARE: Final = 0.95
"""The share of the rate that fresh mail is promised."""

_EARLIER: Final = 0.85
"""Of the expected time of a mail, what fresh mail is promised: times vary, and a connection should not stand idle."""

_HORIZON: Final = 900.0
"""Seconds for which the time that mails take now is taken to say anything."""

_CROWD_REACH: Final = 60.0
"""Seconds behind which what is skimmed off finds no other wait queue."""

_MUCH: Final = 4

_QUICK: Final = 0.5
"""Seconds that a mail takes at most by a way whose pace is no use for promises: see :meth:`Account.crowd_spacing`."""

_CROWD_RATE: Final = 500.0
_CROWD_MORE: Final = 1.5

_LONGEST_HOLD: Final = 24 * 3600.0


class Account:
    """Counts of one account. ``now`` is monotonic everywhere; ``ahead`` is how far the wall clock is ahead of it.

    ``slack`` is how long, in seconds, a mail may be near before it starts, ``deadline`` how long a send may take.
    """

    def __init__(self, limits: Limits, *, now: float, ahead: float, slack: float, deadline: float) -> None:
        self.limits = limits
        self.learning = Learning()
        self._ahead = ahead
        self._slack = slack
        self._deadline = deadline
        self._minute = Minute()
        self._day = Day(slack + deadline)
        self._starts = Starts()
        self._since = -math.inf
        self._under_way: dict[Place, None] = {}
        self._asked: dict[Place, float] = {}
        self._reserved = 0
        self._others = 0
        self._others_until = now

    @property
    def under_way(self) -> int:
        """Mails whose send has begun and not ended."""
        return len(self._under_way)

    def room(self, now: float) -> int:
        """How many more mails may be under way; negative when the limit has come down."""
        return self.learning.concurrency(self.limits, now) - len(self._under_way) - self._ghosts(now)

    def spacing(self, units: int, width: int | None, now: float) -> Spacing:
        """How far apart mails of so many recipients start, as can be expected.

        ``width`` of them are under way at once; ``None``: as many as the account allows.
        """
        usual = self.usual(now)
        by_room = usual / (width or self.learning.concurrency(self.limits, now))
        per_minute, per_day = self.limits.per_minute, self.limits.per_day
        if per_day is not None and self.day_wait(1, now) > 0:
            # The budget comes back as it was used, which is taken to have been evenly.
            apart = max(by_room, self._apart(), DAY / per_day * self._counted(units))
            return Spacing(apart, apart)
        if per_minute is None:
            return Spacing(by_room, by_room * _EARLIER, _HORIZON, observed=True)
        # Each mail counts until a minute after its end, so slow mail has fewer starts in a minute.
        by_rate = max(self._apart(), (MINUTE + usual) / per_minute)
        fresh = max(by_room * _EARLIER, by_rate / _MARGIN / _FRESH_SHARE)
        if by_room > by_rate:
            return Spacing(by_room, fresh, _HORIZON, observed=True)
        return Spacing(by_rate, fresh)

    def quick(self, now: float) -> bool:
        """Whether nothing but the time that mails take keeps them, and that is short."""
        return self.limits.per_minute is None and self.learning.hold <= now and self.usual(now) <= _QUICK

    def crowd_spacing(self, now: float) -> Spacing | None:
        """How far apart what is skimmed off a long queue comes back; ``None`` where the usual promises hold.

        While a queue is skimmed, mails take many times as long as afterwards. What comes back too soon costs a hop,
        too late it leaves connections idle for as long as the error. So it is promised for more than was seen.
        """
        if not self.quick(now):
            return None
        by_room = self.usual(now) / self.learning.concurrency(self.limits, now)
        apart = min(by_room / _CROWD_MORE, 1 / _CROWD_RATE)
        return Spacing(apart, apart, _CROWD_REACH)

    def usual(self, now: float) -> float:
        """Seconds a mail takes; more if the oldest is under way for much longer, as before a server that is silent."""
        oldest = next(iter(self._asked.values()), now)
        return max(self.learning.usual, (now - oldest) / _MUCH)

    def open_at(self, before: int, now: float) -> float:
        """When the next mail may start after ``before`` others, whatever is under way."""
        at = max(now, self.learning.hold)
        per_minute = self.limits.per_minute
        if per_minute is None:
            return at
        at = self._starts.next_at(before, self._apart(), at)
        under = len(self._under_way) + self._ghosts(now)
        return max(at, self._minute.free_at(per_minute, under, before, now, self.learning.usual))

    def place_at(self, before: int, now: float) -> float:
        """When there is likely to be room for a mail after ``before`` others."""
        room = self.room(now)
        if before < room:
            return now
        concurrency = self.learning.concurrency(self.limits, now)
        at = self.share_at(before - room, concurrency, now)
        return max(at, self._others_until) if self._others >= concurrency else at

    def share_at(self, beyond: int, width: int, now: float) -> float:
        """When one of ``width`` places is likely to be free for a mail after ``beyond`` others that wait for one."""
        return now if beyond < 0 else now + (beyond + 1) * self.usual(now) / width

    def day_wait(self, units: int, now: float) -> float:
        """Seconds until the day has room for so many recipients of one mail."""
        per_day = self.limits.per_day
        if per_day is None:
            return 0.0
        return self._day.wait(per_day, self._counted(units), self._reserved, now + self._ahead)

    def reserve(self, place: Place) -> None:
        """A mail is near."""
        place.reserved = self._counted(place.units)
        self._reserved += place.reserved

    def release(self, place: Place) -> None:
        """A mail is near no more."""
        self._reserved -= place.reserved
        place.reserved = 0

    def start(self, place: Place, now: float) -> None:
        """A mail may leave from now on, so it counts."""
        # Before a provider that has complained nothing is caught up with.
        earliest = self.learning.hold if self.learning.share == 1.0 else now
        self._starts.started(self._apart(), earliest, now)
        place.began = now
        self._under_way[place] = None
        if self.limits.per_day is not None:
            self._day.add(self._counted(place.units), now + self._ahead)

    def begins(self, place: Place, now: float) -> None:
        """The provider is asked to take a mail that counts already."""
        place.asked = self._asked[place] = now

    def end(self, place: Place, now: float) -> None:
        """A send has ended."""
        del self._under_way[place]
        self._asked.pop(place, None)
        if self.limits.per_minute is not None:
            self._ghosts(now)
            self._minute.ended(now)

    def answered(self, place: Place, error: DeliveryError | None, now: float) -> bool:
        """What came back for a mail that has ended; whether the account is to be used differently now."""
        if place.began < self._since:
            return False
        # What had its turn and was not handed over has waited for something else.
        if place.asked is not None:
            self.learning.took(now - place.asked)
        return self.learning.answered(error, self.limits, place.asked or place.began, now, len(self._under_way))

    def replaced(self, now: float) -> None:
        """From now on it is another account, of which nothing is known. What is under way still counts."""
        self.learning = Learning()
        self._minute = Minute()
        self._day = Day(self._slack + self._deadline)
        self._others = 0
        self._since = now

    def others_until(self, now: float) -> float | None:
        """Until when mails of another process may be under way; ``None`` if there are none."""
        return self._others_until if self._ghosts(now) else None

    def remember(self, owner: str, near: int, now: float) -> Memory:
        """What another process must know, with ``near`` mails about to start; without promises."""
        wall, learning = now + self._ahead, self.learning
        ours = near + len(self._under_way)
        ghosts = self._ghosts(now)
        until = wall + self._slack + self._deadline if ours else 0.0
        # Without a rate or a budget nothing is written at each mail, so it would say what is long past.
        return Memory(
            owner=owner,
            at=wall,
            last_start=self._starts.last + self._ahead,
            busy=ours + ghosts if self.limits.paced else 0,
            busy_until=max(until, self._others_until + self._ahead if ghosts else 0.0),
            ends=[end + self._ahead for end in self._minute.ends(now)],
            days=self._day.buckets(wall),
            less=learning.less,
            share=learning.share,
            usual=learning.usual,
            hold=learning.hold + self._ahead,
            complained=learning.complained + self._ahead,
        )

    def recall(self, memory: Memory, now: float, *, own: bool) -> None:
        """Goes on from what another process has left; ``own``: this one has, so nothing else is under way."""
        ahead, learning = self._ahead, self.learning
        # A moment that lies in the future was written by a clock that is ahead of ours: it counts as just now.
        self._starts = Starts(min(memory.last_start - ahead, now))
        self._minute = Minute(min(end - ahead, now) for end in memory.ends)
        this = int((now + ahead) // 1800)
        self._day = Day(self._slack + self._deadline, ((min(number, this), count) for number, count in memory.days))
        learning.less, learning.share, learning.usual = memory.less, memory.share, memory.usual
        learning.hold = min(memory.hold - ahead, now + _LONGEST_HOLD)
        learning.complained = min(memory.complained - ahead, now)
        if memory.busy and not own:
            self._others = memory.busy
            self._others_until = min(memory.busy_until - ahead, now + self._slack + self._deadline)

    def _apart(self) -> float:
        """Seconds between two starts, on the whole; 0 without a limit by the minute."""
        return self.learning.spacing(self.limits) * _MARGIN

    def _ghosts(self, now: float) -> int:
        """Mails that another process may have under way."""
        if self._others and now >= self._others_until:
            # They may have arrived as late as that.
            if self.limits.per_minute is not None:
                self._minute.also(self._others_until, self._others)
            self._others = 0
        return self._others

    def _counted(self, units: int) -> int:
        return units if self.limits.day_unit == "recipients" else 1
