"""What is told of delivery that is held back: an account or a server without an answer rests for a while.

Read from the table that all replicas share, so it needs no broker.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from config.store import Store
from config.store_breakers import BreakerRows


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Mail has waited since ``since`` because of ``reason`` (a reason code); one mail is tried at ``next_try``."""

    reason: str
    since: datetime
    next_try: datetime


class HeldBackReading:
    """Raises :class:`~config.errors.StoreUnavailable`; ``now`` is the wall clock with a time zone."""

    def __init__(self, store: Store, *, now: Callable[[], datetime]) -> None:
        self._rows = BreakerRows(store)
        self._now = now

    async def of(self, organization: str, endpoint: str) -> HeldBack | None:
        """What holds an organisation's mail longest now: its account, or the server it goes to.

        ``endpoint`` is the server's name (:mod:`config.endpoints`), empty where it has none.
        """
        found = await self._rows.of(organization, endpoint or None)
        if not found:
            return None
        longest = max(found, key=lambda row: row.remaining)
        next_try = self._now() + timedelta(seconds=max(0.0, longest.remaining))
        return HeldBack(longest.reason, min(row.opened_at for row in found), next_try)
