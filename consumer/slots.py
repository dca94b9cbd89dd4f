"""How many mails of one account are under way: as many as its transport has connections, and no more.

A delivery that waits here has not begun: it can be given up without a trace when the process drains, when its channel
is lost or when the process stood still meanwhile. Behind the transport's own queue it could not be told apart from one
that may have been sent. It does not decide who goes first: first come, first served.
"""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass


class NoSlot(Exception):
    """No slot became free in time."""


@dataclass(slots=True)
class _Slots:
    free: asyncio.Semaphore
    users: int = 0


class Slots:
    """Slots by account; an account nobody uses or waits for is forgotten. For one event loop."""

    def __init__(self) -> None:
        self._accounts: dict[Hashable, _Slots] = {}

    def __len__(self) -> int:
        """Accounts in use."""
        return len(self._accounts)

    @asynccontextmanager
    async def hold(self, key: Hashable, limit: int, patience: float) -> AsyncIterator[bool]:
        """Holds one of the ``limit`` slots of ``key``; gives whether it had to be waited for.

        ``limit`` belongs to the key: whoever changes it changes the key. Raises NoSlot after ``patience`` seconds.
        """
        slots = self._accounts.get(key)
        if slots is None:
            slots = self._accounts[key] = _Slots(asyncio.Semaphore(limit))
        slots.users += 1
        try:
            waited = slots.free.locked()
            if waited:
                try:
                    async with asyncio.timeout(patience):
                        await slots.free.acquire()
                except TimeoutError:
                    raise NoSlot from None
            else:
                await slots.free.acquire()
            try:
                yield waited
            finally:
                slots.free.release()
        finally:
            slots.users -= 1
            if not slots.users:
                del self._accounts[key]
