"""A consumer without some of its parts, for comparisons side by side: what lanes do, and what the ledger costs."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from consumer.ledger import Ledger, Record, Standing, State
from consumer.outcome import Reason
from consumer.turns import Ask, GoAside, Turn, Turns
from transports.errors import DeliveryError

PATIENCE = 90.0
AFTER = 15.0
"""Seconds for which a mail waits for a slot, and then goes aside for."""


class Slots:
    """Turns without lanes: as many mails of an account at once as it has connections, first come, first served."""

    def __init__(self, ordinary: Turns) -> None:
        self._free: dict[str, asyncio.Semaphore] = {}
        self._users: defaultdict[str, int] = defaultdict(int)

    @asynccontextmanager
    async def take(self, ask: Ask) -> AsyncIterator[Turn]:
        free = self._free.setdefault(ask.account, asyncio.Semaphore(ask.limits.concurrency))
        self._users[ask.account] += 1
        try:
            slot = _Slot(free)
            try:
                async with asyncio.timeout(PATIENCE):
                    await free.acquire()
            except TimeoutError:
                raise GoAside(AFTER, Reason.CROWDED) from None
            try:
                yield slot
            finally:
                slot.ended(None)
        finally:
            self._users[ask.account] -= 1
            if not self._users[ask.account]:
                del self._users[ask.account], self._free[ask.account]

    def dirty(self) -> Sequence[tuple[str, bytes]]:
        return ()


class _Slot:
    def __init__(self, free: asyncio.Semaphore) -> None:
        self._free: asyncio.Semaphore | None = free

    async def granted(self) -> None:
        pass

    def begins(self) -> None:
        """Learns nothing."""

    def ended(self, error: DeliveryError | None) -> None:
        free, self._free = self._free, None
        if free is not None:
            free.release()


class NoLedger:
    """Knows nothing and remembers nothing: every mail may begin."""

    def __init__(self, ordinary: Ledger) -> None:
        pass

    def key(self, organization: str, source: str, event_id: str) -> bytes:
        return event_id.encode()

    async def begin(self, key: bytes, copy: bytes, *, resend: bool) -> Standing:
        return Standing(State.NEW, began=True)

    async def end(self, key: bytes, copy: bytes, record: Record, mark: bytes = b"") -> State:
        return record.state
