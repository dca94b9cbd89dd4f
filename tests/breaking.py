"""Replicas with breakers over one table, routes of every kind, and a clock for all of them that moves by hand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from config.endpoints import endpoint_of
from config.errors import StoreUnavailable
from config.limits import Limits
from config.store import Store, clock_of
from config.store_breakers import BreakerRows
from config.store_schema_ledger import breakers as table
from consumer.breakers import Permit
from consumer.breakers_shared import Parts, SharedBreakers
from consumer.holding import PlatformHold
from consumer.metrics import Metrics
from consumer.metrics_pacing import PacingMetrics
from consumer.platform_trouble import PlatformTrouble
from consumer.routing import Account, Route
from consumer.turns import GoAside
from tests.builders import SENDER
from transports.errors import Code, DeliveryError, NameServerSilent, OutcomeUnknown, Unreachable
from transports.microsoft365.settings import Microsoft365Settings
from transports.settings import TransportSettings
from transports.smtp.settings import Security, SmtpSettings

DEADLINE = 60.0
REFUSED = Unreachable(Code.CONNECT_FAILED)
SILENT = Unreachable(Code.REPLY_TIMEOUT)
UNNAMED = NameServerSilent(Code.NAME_NOT_FOUND)
LOST = OutcomeUnknown(Code.OUTCOME_UNKNOWN, "no reply")


class Clock:
    """Monotonic seconds that only pass by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def route(key: str, transport: str, settings: TransportSettings, version: int = 1) -> Route:
    """A route by settings of any kind; the empty key is the platform's relay."""
    account = Account(settings, platform=not key)
    return Route(key, transport, account, SENDER, version, Limits(4), endpoint_of(settings))


def smtp(organization: str, host: str = "") -> Route:
    """An organisation with a server of its own, or with the one named."""
    server = host or f"mail.{organization}.example"
    return route(organization, "smtp", SmtpSettings(server, 587, Security.STARTTLS))


def microsoft(organization: str, user: str = "") -> Route:
    """An organisation with an account at Microsoft; with ``user``, by an app of its own."""
    return route(organization, "microsoft365", Microsoft365Settings(f"grant of {organization}", "a@b.example", user))


_APART = 0.25
"""Seconds between two failures that both count."""

RELAY = route("", "default", SmtpSettings("relay.platform.example", 25, Security.NONE))


@dataclass
class Replica:
    """One process's breakers, and what they tell."""

    store: Store
    clock: Clock
    name: str = "one"
    random: float = 0.5
    metrics: Metrics = field(default_factory=lambda: Metrics("test"))

    def __post_init__(self) -> None:
        self.rows = UnsteadyRows(self.store)
        self.holding = PlatformHold(self.clock, DEADLINE)
        self.pacing = PacingMetrics(self.metrics.registry)
        self.breakers = SharedBreakers(
            Parts(
                self.rows,
                self.pacing,
                PlatformTrouble(self.metrics, self.clock),
                self.holding,
                self.name,
                DEADLINE,
                self.clock,
                lambda: self.random,
            )
        )

    async def send(self, way: Route, error: DeliveryError | None = None) -> Permit:
        """One mail, with the end it meets."""
        permit = await self.breakers.enter(way)
        await self.breakers.left(permit, error)
        return permit

    async def fail(self, way: Route, times: int = 5, error: DeliveryError = REFUSED) -> None:
        """So many mails with the same end, one after the other."""
        for _ in range(times):
            await self.send(way, error)
            self.clock.now += _APART

    async def held(self, way: Route) -> GoAside | None:
        """What a mail meets now; leave to send is given back."""
        try:
            self.breakers.give_up(await self.breakers.enter(way))
        except GoAside as error:
            return error
        return None

    async def probe(self, way: Route) -> Permit | None:
        """Leave to probe, if it is given."""
        try:
            permit = await self.breakers.enter(way)
        except GoAside:
            return None
        return permit if permit.probe else None

    def shown(self, name: str) -> set[str]:
        """The series of a metric."""
        lines = self.metrics.exposition().decode().splitlines()
        return {line.removeprefix(name) for line in lines if line.startswith(name)}


async def until_due(store: Store, *replicas: Replica) -> None:
    """The pauses and claims of all open breakers are over, and every replica has read so."""
    async with store.write() as connection:
        now = await clock_of(connection)
        await connection.execute(update(table).values(retry_at=now - timedelta(seconds=1)))
    for replica in replicas:
        replica.clock.now += 1000.0
        await replica.breakers.refresh()


class UnsteadyRows(BreakerRows):
    """The table of a database that can be taken away, counts how often it was asked, and may answer late."""

    def __init__(self, store: Store) -> None:
        super().__init__(_Unsteady(store))  # type: ignore[arg-type]

    @property
    def store(self) -> "_Unsteady":
        """The database."""
        return self._store  # type: ignore[return-value]


class _Unsteady:
    def __init__(self, store: Store) -> None:
        self._real = store
        self.away = False
        self.read_only = False
        self.asked = 0
        self.answers = asyncio.Event()
        self.answers.set()
        self.dialect = store.dialect

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Like the store's."""
        return self._late(self._real.read())

    def write(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Like the store's."""
        return self._or_raise(self._real.write(), away=self.read_only)

    @asynccontextmanager
    async def _or_raise(
        self, block: AbstractAsyncContextManager[AsyncConnection], *, away: bool = False
    ) -> AsyncIterator[AsyncConnection]:
        self.asked += 1
        if self.away or away:
            raise StoreUnavailable("is away")
        async with block as connection:
            yield connection

    @asynccontextmanager
    async def _late(self, block: AbstractAsyncContextManager[AsyncConnection]) -> AsyncIterator[AsyncConnection]:
        async with self._or_raise(block) as connection:
            yield connection
        await self.answers.wait()
