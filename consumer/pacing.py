"""What holds mails back in one process, and the account of them, wired: lanes, breakers, holds, the ledger."""

import os
import time
from collections.abc import Callable, Sequence

from config.errors import StoreUnavailable
from config.logs import get_logger
from config.process import Settings
from config.secrets import KeyedHash
from config.store import Store
from config.store_breakers import BreakerRows
from config.store_ledger import LedgerStore
from consumer.breakers_shared import Parts as BreakerParts
from consumer.breakers_shared import SharedBreakers
from consumer.holding import PlatformHold
from consumer.housekeeping import Chore
from consumer.ledger_commit import CommitLedger
from consumer.metrics import Metrics
from consumer.metrics_pacing import PacingMetrics
from consumer.outcome import Reason
from consumer.platform_trouble import PlatformTrouble
from consumer.seams import Seams
from consumer.turns_driver import LaneTurns
from transports.errors import Code

log = get_logger(__name__)

_PRUNE_EVERY = 3600.0
_HAND_OVER = 1.0
_LANES_EVERY = 30.0
_BREAKERS_EVERY = 1.0


class Pacing:
    """Builds them for one process; ``random`` gives a number in [0, 1)."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        keyed_hash: KeyedHash,
        metrics: Metrics,
        trouble: PlatformTrouble,
        seams: Seams,
        random: Callable[[], float],
    ) -> None:
        owner = f"{settings.replica_id}/{os.urandom(8).hex()}"
        self.metrics = PacingMetrics(metrics.registry)
        self._database = LedgerStore(store)
        self._lanes = LaneTurns(
            clock=time.monotonic,
            now=seams.now,
            remembered=self._remembered,
            deadline=settings.send_deadline,
            owner=owner,
        )
        self._ledger = CommitLedger(self._database, keyed_hash, metrics=self.metrics, also=self._dirty)
        self.turns = seams.turns(self._lanes)
        self.ledger = seams.ledger(self._ledger)
        self.holding = PlatformHold(time.monotonic, settings.send_deadline)
        self.breakers = SharedBreakers(
            BreakerParts(
                rows=BreakerRows(store),
                metrics=self.metrics,
                trouble=trouble,
                holding=self.holding,
                holder=owner,
                deadline=settings.send_deadline,
                clock=time.monotonic,
                random=random,
                rules=seams.rules,
            )
        )
        self.crowded: Callable[[], int] = lambda: 0
        metrics.before_scrape(self._observe)

    def chores(self) -> Sequence[Chore]:
        """What has to be done for them again and again."""
        return (
            Chore("breakers", self.breakers.refresh, _BREAKERS_EVERY),
            Chore("lanes", self._tidy, _LANES_EVERY),
            Chore("ledger", self._prune, _PRUNE_EVERY),
        )

    async def hand_over(self) -> None:
        """Writes down what the lanes remember, for the next owner of their partitions; waits for moments only."""
        await self._ledger.drain(_HAND_OVER)

    async def aclose(self) -> None:
        """Writes down what is not yet, as far as the database lets us, and closes."""
        await self.breakers.aclose()
        await self._ledger.aclose()

    def skim(self, organization: str, *, due: bool) -> tuple[float, Reason | Code] | None:
        """How long, and why, one more mail of an organisation goes aside that stands in a crowded partition."""
        aside = self._lanes.skim(organization, due=due)
        return None if aside is None else (aside.after, aside.reason)

    async def _prune(self) -> None:
        try:
            await self._ledger.prune()
        except StoreUnavailable:
            log.warning("what is outdated in the ledger could not be removed")

    async def _remembered(self, key: str) -> bytes | None:
        return await self._ledger.lane(key)

    def _dirty(self) -> Sequence[tuple[str, bytes]]:
        return self._lanes.dirty()

    async def _tidy(self) -> None:
        self._lanes.drop_idle()
        self._ledger.remember()

    def _observe(self) -> None:
        pressure = self._lanes.pressure()
        self.metrics.lanes(pressure.lanes)
        self.metrics.waiting(pressure.waiting)
        self.metrics.crowded(self.crowded())
