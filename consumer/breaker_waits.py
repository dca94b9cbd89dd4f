"""How long a mail stays away that an open breaker turned away: pure, with the clock and the randomness as arguments.

Always as long as one wait queue lasts, so that a look costs one hop. What waits in numbers comes back slowly: about
thirty mails a second at most, whatever the backlog (up to what the longest queue spreads, some 120,000), for as long as
the outage lasts. Nobody stays away for more than a few times as long as it has lasted, so after a short one all are
back soon.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from consumer.names import WAIT_TIERS
from consumer.retry import tier

APART: Final = 0.03
"""Seconds between two mails that come back to look."""

ALWAYS: Final = 60.0
LATE: Final = 4.0
"""Nobody stays away for longer than ``ALWAYS``, or so many times as long as the breaker has been open."""

SCOUTS: Final = 20
"""So many of those who wait are never late, by more hops if need be: the next probe is one of them."""

_DENSE: Final = 3 / APART
_PARTS: Final = 8


def away(remaining: float, waiting: int, lasted: float, random: Callable[[], float], *, dense: bool = False) -> float:
    """Seconds of one wait queue: by chance the one that is shorter or the one that is longer than what is wanted.

    On average it is about what is wanted: ``remaining`` seconds until the next probe, and a place behind the others who
    are ``waiting``. ``lasted`` is for how long the breaker has been open. ``dense``: so many come at once that they are
    to be scattered, because they would come back together for ever.
    """
    longest = max(ALWAYS, LATE * lasted, remaining)
    allowed = tuple(seconds for seconds in WAIT_TIERS if seconds <= longest)
    wanted = min(max(remaining + APART * waiting, allowed[0]), allowed[-1])
    if dense and wanted > ALWAYS:
        among = [seconds for seconds in allowed if seconds >= ALWAYS]
        return float(among[int(random() * len(among))])
    if random() * waiting < SCOUTS:
        return float(tier(remaining, allowed))
    shorter = tier(wanted, allowed)
    longer = next((seconds for seconds in allowed if seconds >= wanted), shorter)
    return float(longer if random() * (longer - shorter) < wanted - shorter else shorter)


@dataclass(slots=True)
class Crowd:
    """How many mails are away because of one breaker: each until its wait is over, roughly."""

    _until: dict[float, int] = field(default_factory=dict)
    _second: int = 0
    _within: int = 0

    def add(self, seconds: float, now: float) -> None:
        """One more stays away for so long."""
        if int(now) != self._second:
            self._second, self._within = int(now), 0
        self._within += 1
        grain = seconds / _PARTS
        until = math.ceil((now + seconds) / grain) * grain
        self._until[until] = self._until.get(until, 0) + 1

    def dense(self) -> bool:
        """Whether many more left within the last second than are to come back in one."""
        return self._within > _DENSE

    def count(self, now: float) -> int:
        """How many there are now."""
        for until in [until for until in self._until if until <= now]:
            del self._until[until]
        return sum(self._until.values())
