"""What one account may do in any minute and on any day, counted from what it did. Pure, in seconds of any one clock.

A mail counts from its start, and until a minute (a day) after its end: it may have arrived at any time in between, so
no minute at the receiving end ever sees more.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

MINUTE: Final = 60.05
"""Seconds, with a little for two clocks that do not run at quite the same speed (RFC 5905 allows 500 ppm)."""

BUCKET: Final = 1800.0
"""Seconds that are counted together for the day; so a day's budget is used up to half an hour longer than a day."""

DAY: Final = 24 * 3600.0


_CATCH_UP: Final = 2.0
"""Seconds by which starts may be behind their schedule and still be caught up with, as after a hand-over."""

_PAUSE: Final = 5.0
"""Seconds without a start after which a new schedule begins."""

_CLOSEST: Final = 0.5
"""Of the spacing, how far apart starts are at least that are behind their schedule."""


class Starts:
    """How far apart mails start: ``apart`` seconds on the whole, and never much less.

    Only what is a little late is caught up with: the minute counts exactly, and a provider may look at less than one.
    """

    def __init__(self, last: float = -DAY) -> None:
        self.last = self._slot = last

    def next_at(self, before: int, apart: float, now: float) -> float:
        """When the next mail may start after ``before`` others that have yet to start as well."""
        closest = apart * _CLOSEST
        at = max(now, self.last + closest) + before * closest
        return max(at, self._following(apart, now) + before * apart)

    def started(self, apart: float, earliest: float, now: float) -> None:
        """A mail starts; its schedule begins not before ``earliest``."""
        self._slot = max(self._following(apart, now), earliest)
        self.last = now

    def _following(self, apart: float, now: float) -> float:
        """The next moment of the schedule."""
        if now - self.last > _PAUSE + apart:
            return now
        return max(self._slot + apart, now - _CATCH_UP)


class Minute:
    """Ends of the sends of the last minute, ascending."""

    def __init__(self, ends: Iterable[float] = ()) -> None:
        self._ends = deque(sorted(ends))

    def ended(self, now: float) -> None:
        """A send has ended."""
        self._ends.append(now)

    def also(self, end: float, count: int) -> None:
        """So many other sends have ended, some time ago."""
        self._ends = deque(sorted([*self._ends, *[end] * count]))

    def counted(self, now: float) -> int:
        """How many ended sends still count."""
        while self._ends and self._ends[0] + MINUTE <= now:
            self._ends.popleft()
        return len(self._ends)

    def free_at(self, limit: int, under_way: int, before: int, now: float, usual: float) -> float:
        """When one more may start, after ``before`` others and beside those under way, which last ``usual`` seconds."""
        ended = self.counted(now)
        needed = ended + under_way + before - limit
        if needed < 0:
            return now
        if needed < ended:
            return self._ends[needed] + MINUTE
        # Which will end when is not known; nothing starts by this estimate, it only spreads promises.
        return now + usual + MINUTE * (1 + (needed - ended) // limit)

    def ends(self, now: float) -> list[float]:
        """The ends that still count."""
        self.counted(now)
        return list(self._ends)


class Day:
    """Mails or recipients of the last 24 hours, by half hours of the wall clock's count of them.

    ``late`` is how long, in seconds, a send may take: it counts as if it had ended so late.
    """

    def __init__(self, late: float, buckets: Iterable[tuple[int, int]] = ()) -> None:
        self._late = late
        self._buckets: deque[list[int]] = deque([number, count] for number, count in sorted(buckets))
        self._total = sum(count for _, count in self._buckets)

    def add(self, units: int, wall: float) -> None:
        """So many units begin now. ``wall`` is in seconds since 1970."""
        number = int(wall // BUCKET)
        if self._buckets and self._buckets[-1][0] >= number:
            self._buckets[-1][1] += units
        else:
            self._buckets.append([number, units])
        self._total += units

    def counted(self, wall: float) -> int:
        """How many units still count."""
        while self._buckets and self._expiry(self._buckets[0][0]) <= wall:
            self._total -= self._buckets.popleft()[1]
        return self._total

    def wait(self, limit: int, units: int, reserved: int, wall: float) -> float:
        """Seconds until so many units more may begin beside those ``reserved``.

        One mail with more than the limit may begin on an empty day.
        """
        excess = self.counted(wall) + reserved + min(units, limit) - limit
        if excess <= 0:
            return 0.0
        for number, count in self._buckets:
            excess -= count
            if excess <= 0:
                return self._expiry(number) - wall
        return DAY

    def buckets(self, wall: float) -> list[tuple[int, int]]:
        """Number and count of each half hour that counts."""
        self.counted(wall)
        return [(number, count) for number, count in self._buckets]

    def _expiry(self, number: int) -> float:
        return (number + 1) * BUCKET + DAY + self._late
