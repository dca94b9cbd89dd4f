"""What a consumer does beside delivering: notice changed settings, sweep parked events, watch itself and the store."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from config.errors import StoreUnavailable
from config.logs import get_logger
from config.organizations import Directory, Organizations
from config.store_quarantine import QuarantineStore
from consumer import names
from consumer.background import Background
from consumer.broker import Broker, BrokerError, Incoming
from consumer.grant_keeping import GrantKeeping
from consumer.metrics import Metrics
from consumer.parking import Parking
from consumer.partition import partition_of
from consumer.selfcheck import INTERVAL, SelfCheck

log = get_logger(__name__)

REFRESH = 1.0
"""Seconds between two version checks: with the time to read, a change is known within two even without the broker."""

_SWEEP_EVERY = 15 * 60.0
_FIRST_SWEEP = 10.0
"""Seconds after the start: what was mended while nobody ran is let go soon."""

_LOOK_AGAIN = 30.0
_LOOK_FOR = 100.0
"""Seconds between looks for parked events of a changed organisation, and for how long: a send that began with the old
settings may end, and its event be parked, a send deadline after the first look."""

_MOST_LOOKED_FOR = 1000
"""Changed organisations to ask for one by one; everything that is parked is sooner looked at than more of them."""

_COUNT_EVERY = 5.0
_PRUNE_EVERY = 3600.0
_IDLE_EVERY = 3600.0
_REVOKE_EVERY = 300.0
_MARKS_KEPT = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Chore:
    """Something done again and again, with ``pause`` seconds between two rounds; a round that fails is logged."""

    name: str
    work: Callable[[], Awaitable[None]]
    pause: float


@dataclass(frozen=True, slots=True)
class Household:
    """What is looked after; ``chores`` are those of others. ``random`` gives a number in [0, 1)."""

    broker: Broker
    directory: Directory
    organizations: Organizations
    quarantine: QuarantineStore
    parking: Parking
    grants: GrantKeeping
    selfcheck: SelfCheck
    metrics: Metrics
    partitions: int
    now: Callable[[], datetime]
    random: Callable[[], float]
    chores: Sequence[Chore] = ()


class Housekeeping:
    """Runs the side tasks of one consumer until its ``background`` is closed."""

    def __init__(self, household: Household, background: Background) -> None:
        self._h = household
        self._background = background
        self._changed: dict[str, float] = {}
        self._everything_at = self._everything_again = self._everything_done = float("-inf")
        self._sweep_now = asyncio.Event()
        self.store_available = False

    def start(self) -> None:
        """Starts every side task; each of them is vital."""
        self._h.metrics.before_scrape(self.observe)
        for name, work, pause in (
            ("settings", self.refresh, REFRESH),
            ("self-check", self.check, INTERVAL),
            ("counts", self.count, _COUNT_EVERY),
            ("prune", self.prune, _PRUNE_EVERY),
            *((chore.name, chore.work, chore.pause) for chore in self._h.chores),
        ):
            self._background.start(self._repeat(name, work, pause), name=name, vital=True)
        for name, work, pause in (
            ("idle grants", self._h.grants.refresh_idle, _IDLE_EVERY),
            ("revocations", self._h.grants.revoke, _REVOKE_EVERY),
        ):
            self._background.start(self._repeat_seldom(name, work, pause), name=name, vital=True)
        self._background.start(self._sweeps(), name="sweeps", vital=True)

    def changed(self, incoming: Incoming) -> None:
        """The broker's callback for the exchange ``mailroom.config``: an organisation's settings have changed."""
        try:
            organization = json.loads(incoming.body)["organization"]
        except (ValueError, KeyError, TypeError):
            log.warning("a change notice could not be read; everything is looked up anew")
            self._h.directory.invalidate(None)
            return
        self._h.directory.invalidate(str(organization))
        self._look_for([str(organization)])

    async def refresh(self) -> None:
        """One version check: whatever changed without a notice reaching us is looked up anew."""
        try:
            changed = await self._h.directory.refresh()
        except StoreUnavailable:
            if self.store_available:
                log.error("the database does not answer; mails wait until it does")
            self._store(available=False)
            return
        if not self.store_available:
            log.info("the database answers")
        self._store(available=True)
        self._look_for(changed)

    async def check(self) -> None:
        """One round of the self-check."""
        await self._h.selfcheck.round()

    async def count(self) -> None:
        """One look at the depth of the dead letters and at the organisations in trouble."""
        try:
            depth = await self._h.broker.queue_state(names.DEAD)
            self._h.metrics.dead_letter_depth(depth.ready)
            self._h.metrics.parked_organizations(dict(await self._h.organizations.suspended()))
        except (BrokerError, StoreUnavailable) as error:
            log.warning("counts could not be taken", error=type(error).__name__)

    async def prune(self) -> None:
        """Forgets marks of the quarantine that nobody came back for, and organisations that were deleted."""
        try:
            await self._h.quarantine.prune(self._h.now() - _MARKS_KEPT)
            await self._h.organizations.purge()
        except StoreUnavailable:
            log.warning("what is outdated in the database could not be removed")

    def observe(self) -> None:
        """Sets the gauges of the broker side."""
        self._h.metrics.broker(
            connected=self._h.broker.connected,
            blocked=self._h.broker.blocked,
            subscribed=self._h.selfcheck.subscribed_count,
            active=self._h.selfcheck.active_count,
        )

    def _store(self, *, available: bool) -> None:
        self.store_available = available
        self._h.metrics.store(available=available)

    def _look_for(self, organizations: Collection[str] | None) -> None:
        now = asyncio.get_running_loop().time()
        until = now + _LOOK_FOR
        if organizations is None or len(self._changed) + len(organizations) > _MOST_LOOKED_FOR:
            self._changed.clear()
            self._everything_at = min(self._everything_at, max(now, self._everything_done + _LOOK_AGAIN))
            self._everything_again = until
            self._sweep_now.set()
            return
        for organization in organizations:
            self._changed[organization] = until
            self._sweep_now.set()

    async def _sweeps(self) -> None:
        """Sweeps for organisations that changed at once, and everything that is ours now and then."""
        loop = asyncio.get_running_loop()
        self._everything_at = loop.time() + _FIRST_SWEEP
        while True:
            next_look = loop.time() + _LOOK_AGAIN if self._changed else self._everything_at
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(min(next_look, self._everything_at)):
                    await self._sweep_now.wait()
            self._sweep_now.clear()
            wanted, now = await self._mended(), loop.time()
            if now >= self._everything_at:
                self._everything_done = now
                self._everything_at = self._everything_again if self._everything_again > now else now + _SWEEP_EVERY
                wanted = set(names.partitions(self._h.partitions))
            for partition in sorted(wanted):
                if self._h.selfcheck.active(partition):
                    await self._sweep(partition)

    async def _mended(self) -> set[str]:
        """Partitions of changed organisations whose parked events may go; forgets those looked for long enough."""
        now = asyncio.get_running_loop().time()
        found = set()
        for organization, until in list(self._changed.items()):
            try:
                if await self._h.parking.mended(organization):
                    found.add(partition_of(organization, self._h.partitions))
            except StoreUnavailable:
                continue
            if now >= until and self._changed.get(organization) == until:
                del self._changed[organization]
        return found

    async def _sweep(self, partition: str) -> None:
        try:
            await self._h.parking.sweep(partition)
        except (BrokerError, StoreUnavailable) as error:
            log.warning("parked events could not be swept", partition=partition, error=type(error).__name__)

    async def _repeat_seldom(self, name: str, work: Callable[[], Awaitable[None]], pause: float) -> None:
        """The first round within ``pause``, so that replicas that start together do not come together."""
        await asyncio.sleep(pause * self._h.random())
        await self._repeat(name, work, pause)

    @staticmethod
    async def _repeat(name: str, work: Callable[[], Awaitable[None]], pause: float) -> None:
        while True:
            try:
                await work()
            except Exception:  # the boundary of one round: a failed one must not end the rounds
                log.exception("a round of the housekeeping failed", step=name)
            await asyncio.sleep(pause)
