"""Who is turned away at an open breaker, for how long, and who may try it: asks no database."""

from collections.abc import Callable, Collection, Sequence
from typing import Final

from consumer.breaker_entry import Entry
from consumer.breaker_shelf import Shelf
from consumer.breaker_verdicts import DEFAULT_WAY, DNS, EGRESS, STORE, Ways
from consumer.breaker_waits import away
from consumer.egress import Egress
from consumer.holding import PlatformHold
from consumer.outcome import Reason
from consumer.platform_trouble import OVER_AFTER
from consumer.routing import Route
from consumer.turns import GoAside
from transports.errors import Code

_SOONEST: Final = 1.0
_STORE_LOOK: Final = 5.0
"""Seconds until a mail that waits for the database looks again; no mail has to try it, and all are told of its end."""

_FRESH_AFTER: Final = 1.0
"""Seconds between tries of servers that were not tried yet while our own network seems down."""


class Door:
    """For one event loop. ``clock`` is monotonic, ``random`` gives a number in [0, 1)."""

    def __init__(
        self,
        shelf: Shelf,
        egress: Egress,
        ways: Ways,
        holding: PlatformHold,
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._shelf = shelf
        self._egress = egress
        self._ways = ways
        self._holding = holding
        self._clock = clock
        self._random = random
        self._fresh_at = float("-inf")

    def shut(self, route: Route) -> list[Entry]:
        """The open breakers in a route's way."""
        opened = self._shelf.open
        if not opened:
            return []
        if route.platform and (entry := opened.get(DEFAULT_WAY)) is not None and entry.local:
            self._shelf.shared(DEFAULT_WAY)  # here it is, so there is one
        return [entry for scope in self._ways.of(route).scopes if (entry := opened.get(scope)) is not None]

    def closed(self, route: Route) -> GoAside | None:
        """Why a mail need not even wait for its turn; ``None`` if it may go, or may be the one that tries."""
        shut = self.shut(route)
        return None if not shut or self.may_try(route, shut) else self.aside(route, shut)

    def may_try(self, route: Route, shut: Collection[Entry]) -> bool:
        """Whether the probe of each of them is due, and nobody's here."""
        return all(self._due(entry, route) for entry in shut)

    def _due(self, entry: Entry, route: Route) -> bool:
        now = self._clock()
        if entry.ours(now) or entry.key == STORE:
            return False
        untried = entry.key in (EGRESS, DNS) and self._egress.fresh(route.endpoint) and now >= self._fresh_at
        return entry.breaker.may_probe(now) or (untried and not entry.breaker.probing)

    def tried_in_vain(self) -> None:
        """A probe was not answered: other servers are tried a little later."""
        self._fresh_at = self._clock() + _FRESH_AFTER

    def aside(self, route: Route, shut: Sequence[Entry]) -> GoAside:
        """Turns a mail away."""
        shared = self._ways.of(route).shared
        platform = any(entry.key in shared for entry in shut)
        for entry in shut:
            entry.concern(route.key)
        return self._aside(shut, Reason.PLATFORM_HOLD if platform else Reason.BREAKER_OPEN, platform=platform)

    def _aside(self, shut: Sequence[Entry], reason: Reason | Code, *, platform: bool) -> GoAside:
        now = self._clock()
        remaining = max(_SOONEST, *(self._remaining(entry, now) for entry in shut))
        waiting, lasted = max(entry.away.count(now) for entry in shut), max(now - entry.since for entry in shut)
        dense = any(entry.away.dense() for entry in shut)
        after = away(remaining, waiting, lasted, self._random, dense=dense)
        if not (platform and self._holding.everything()):  # else it waits in hand
            for entry in shut:
                entry.away.add(after, now)
        return GoAside(after, reason, platform=platform, soonest=remaining)

    @staticmethod
    def _remaining(entry: Entry, now: float) -> float:
        return max(entry.breaker.remaining(now), _STORE_LOOK if entry.key == STORE else 0.0)

    def no_route(self, code: Code) -> GoAside:
        """Turns away a mail that would go by the platform's relay, if one were configured in this process."""
        entry = self._shelf.own(DEFAULT_WAY)
        if not entry.breaker.is_open:
            self._shelf.open_up(entry, str(code))
        elif entry.breaker.may_probe(self._clock()):
            self._shelf.in_vain(entry)
        return self._aside([entry], code, platform=True)

    def tidy(self) -> None:
        """Ends the hold of mails without a route that nobody asks for any more: the organisation has another way."""
        entry, now = self._shelf.open.get(DEFAULT_WAY), self._clock()
        if entry is not None and entry.local and now - entry.breaker.due > OVER_AFTER and not entry.away.count(now):
            self._shelf.answered(DEFAULT_WAY)
