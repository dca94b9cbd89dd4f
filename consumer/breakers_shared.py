"""Which breakers a mail has to pass, and what its end does to them.

Mail by the platform's own relay passes the relay's only, and what fails there holds the platform and blames nobody.

``account:<organisation>``
    opens on failures in a row of this account.
``endpoint:<server>``
    opens when a server cannot be reached for more than one account; for a provider's API any lack of an answer counts.
``platform:<transport>``
    opens on faults of our own app, and of our own relay.
``platform:egress``, ``platform:dns``, ``platform:store``
    open when many servers fall silent at once, or the database is away; of this process only: others may be well.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from config.breaker_keys import ACCOUNT, ENDPOINT, PLATFORM, key_of
from config.store_breakers import BreakerRows
from consumer.attribution import OF_THE_ENDPOINT, REACHED, SILENT, SPOKEN, Blame, attribute, no_such_name, slow
from consumer.breaker import Rules
from consumer.breaker_door import Door
from consumer.breaker_memory import Memory, Seen
from consumer.breaker_shelf import Shelf
from consumer.breaker_telling import Telling, organizations
from consumer.breaker_verdicts import (
    DNS,
    EGRESS,
    STORE,
    Effect,
    Ways,
    by_server,
    effect,
    is_local,
    kind_of,
    proven,
    rules_of,
)
from consumer.breakers import Permit
from consumer.egress import Egress, Outage
from consumer.holding import PlatformHold
from consumer.metrics_pacing import PacingMetrics, Probe
from consumer.platform_trouble import PlatformTrouble
from consumer.routing import Route
from consumer.turns import GoAside
from transports.errors import Code, DeliveryError

_STALE: Final = 0.2
"""Seconds since the table was read, for an account that was not served here lately: another replica may have opened its
breaker a moment before the partition came here."""

_LEASE: Final = 15.0
"""Seconds that a probe may take beyond the send deadline: its turn, the ledger, and the transport's grace."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the breakers work with. ``holder`` is unique to this process, ``deadline`` the send deadline in seconds.

    ``clock`` is monotonic; ``random`` gives a number in [0, 1); ``rules`` are those of a breaker by its key.
    """

    rows: BreakerRows
    metrics: PacingMetrics
    trouble: PlatformTrouble
    holding: PlatformHold
    holder: str
    deadline: float
    clock: Callable[[], float]
    random: Callable[[], float]
    rules: Callable[[str], Rules] = rules_of


class SharedBreakers:
    """The breakers of one process and event loop (:class:`consumer.breakers.Breakers`).

    Have :meth:`refresh` called every second.
    """

    def __init__(self, parts: Parts) -> None:
        self._p = parts
        self._egress = Egress()
        self._telling = Telling(parts.metrics, parts.trouble, parts.holding)
        self._seen = Seen(parts.clock)
        self._ways = Ways()
        self._shelf = Shelf(
            parts.rows,
            Memory(parts.rules, parts.clock, parts.random),
            holder=parts.holder,
            lease=parts.deadline + _LEASE,
            changed=lambda: self._telling.changed(self._shelf.open),
            clock=parts.clock,
        )
        self._door = Door(self._shelf, self._egress, self._ways, parts.holding, parts.clock, parts.random)

    def closed(self, route: Route) -> GoAside | None:
        """See :meth:`consumer.breakers.Breakers.closed`."""
        return self._door.closed(route)

    def no_route(self, code: Code) -> GoAside:
        """See :meth:`consumer.breakers.Breakers.no_route`."""
        return self._door.no_route(code)

    async def enter(self, route: Route) -> Permit:
        """Leave to send by this route; raises GoAside. Asks the database only if something is open, or is new here."""
        if not self._seen.note(route.key):
            await self._shelf.look(_STALE)
        scopes, shut = self._ways.of(route).scopes, self._door.shut(route)
        if not shut:
            return Permit(route, scopes=scopes)
        if not self._door.may_try(route, shut):
            raise self._door.aside(route, shut)
        claims: list[tuple[str, str]] = []
        try:
            for entry in shut:
                token = await self._shelf.claim(entry)
                if token is None:
                    raise self._door.aside(route, shut)
                claims.append((entry.key, token))
        except BaseException:
            self._free(claims)
            raise
        if any(key in (EGRESS, DNS) for key, _ in claims):
            self._egress.tried(route.endpoint)
        return Permit(route, probe=True, scopes=scopes, claims=tuple(claims))

    async def left(self, permit: Permit, error: DeliveryError | None) -> None:
        """What became of the mail; never raises, and waits for the database for moments only."""
        route, now = permit.route, self._p.clock()
        blame = attribute(error, platform=route.platform)
        if blame is Blame.ANSWERED:
            self._p.holding.answered(self._ways.of(route).shared)
        if error is not None and error.code is Code.STORE_UNAVAILABLE:
            self.store_away()
        elif not route.platform:
            self._network(route, blame, error, now)
        if blame is Blame.ANSWERED and not permit.claims and not self._shelf.remembers:
            return
        # While our own network is down, no other breaker learns anything.
        down = not route.platform and (EGRESS in self._shelf.open or DNS in self._shelf.open)
        claims = dict(permit.claims)
        for key in permit.scopes:
            found = Effect.UNCLEAR if down else effect(key, route, blame, error)
            token = claims.get(key)
            if token is not None:
                self._probed(key, token, found)
            elif found is Effect.ANSWERED and (key not in self._shelf.open or kind_of(key) != PLATFORM):
                self._shelf.answered(key)
            elif found is Effect.FAILED and error is not None and key not in self._shelf.open:
                self._failed(key, route, blame, error)
        await self._shelf.settled(permit.scopes)

    def _probed(self, key: str, token: str, found: Effect) -> None:
        if is_local(key):
            # Answers were heard already, and have closed it.
            found = Effect.FAILED if key in self._shelf.open else Effect.ANSWERED
        self._p.metrics.probed(kind_of(key), Probe(found.value))
        if found is Effect.ANSWERED:
            self._shelf.answered(key)
        else:
            self._shelf.probe_ended(key, token, Probe(found.value))
            self._door.tried_in_vain()

    def _failed(self, key: str, route: Route, blame: Blame, error: DeliveryError) -> None:
        entry = self._shelf.failed(key, route.key, slow=slow(error))
        if not proven(entry, route, blame, error):
            return
        self._shelf.open_up(entry, str(error.code))
        for account in entry.accounts if kind_of(key) == ENDPOINT else ():
            self._take_back(key_of(ACCOUNT, account), OF_THE_ENDPOINT)

    def _network(self, route: Route, blame: Blame, error: DeliveryError | None, now: float) -> None:
        if blame is Blame.ANSWERED or (error is not None and error.code in REACHED | SPOKEN):
            self._egress.answered(now)
            self._shelf.answered(EGRESS)
            self._shelf.answered(DNS)
        elif error is not None and no_such_name(error) and by_server(route):
            if DNS in self._shelf.open:
                self._egress.answered(now)
                self._shelf.answered(DNS)
        elif error is not None:
            self._egress.failed(route.endpoint, route.key, error.code, now)
            self._outage(now)

    def _outage(self, now: float) -> None:
        """Holds the platform if our own network is down, and takes back what was blamed on others for it."""
        outage = self._egress.verdict(now)
        if outage is None or EGRESS in self._shelf.open or DNS in self._shelf.open:
            return
        code = Code.CONNECT_FAILED if outage is Outage.EGRESS else Code.NAME_NOT_FOUND
        self._shelf.open_up(self._shelf.own(key_of(PLATFORM, outage.value)), str(code))
        for endpoint, account in self._egress.suspects():
            self._take_back(key_of(ENDPOINT, endpoint), SILENT)
            self._take_back(key_of(ACCOUNT, account), SILENT)

    def _take_back(self, key: str, codes: Collection[Code]) -> None:
        """Forgets what was blamed on somebody for faults of these codes."""
        entry = self._shelf.open.get(key)
        if entry is None or entry.reason in codes:
            self._shelf.answered(key)

    def still(self, permit: Permit) -> bool:
        """See :meth:`consumer.breakers.Breakers.still`."""
        claims, until = dict(permit.claims), self._p.clock() + self._p.deadline
        shut = [entry for key in permit.scopes if (entry := self._shelf.open.get(key)) is not None]
        return all((token := claims.get(entry.key)) is not None and entry.holds(token, until) for entry in shut)

    def give_up(self, permit: Permit) -> None:
        """The mail was not sent after all."""
        for key, _ in permit.claims:
            self._p.metrics.probed(kind_of(key), Probe.GIVEN_UP)
        self._free(permit.claims)

    def _free(self, claims: Iterable[tuple[str, str]]) -> None:
        for key, token in claims:
            self._shelf.probe_ended(key, token, Probe.GIVEN_UP)

    def store_away(self) -> None:
        """The database does not answer, so nothing can be sent: held until :meth:`refresh` finds it back."""
        self._shelf.open_up(self._shelf.own(STORE), str(Code.STORE_UNAVAILABLE))

    def store_back(self) -> None:
        """The database has taken something that was written."""
        self._shelf.answered(STORE)

    def forget(self, organization: str) -> None:
        """Its settings have changed: what was met with the old ones counts no more."""
        self._shelf.answered(key_of(ACCOUNT, organization))

    async def refresh(self) -> None:
        """One look at the table: adopts what others opened, and notices what they closed. Never raises."""
        answers, store = await self._shelf.refresh(), self._shelf.open.get(STORE)
        # That it can be read is not enough: the ledger writes.
        due = store is not None and store.breaker.may_probe(self._p.clock())
        if answers and due and await self._shelf.writable():
            self.store_back()
        self._door.tidy()
        self._outage(self._p.clock())
        self._telling.remind(self._shelf.open)

    async def aclose(self) -> None:
        await self._shelf.aclose()

    def open_organizations(self) -> Mapping[str, str]:
        """Organisations whose mail is held by a breaker of their account or server, with the reason code."""
        return organizations(self._shelf.open)
