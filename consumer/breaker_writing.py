"""Writing breakers down beside the sends: in order, and without anybody waiting for a database that is slow or away."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from config.errors import StoreUnavailable
from config.logs import get_logger

log = get_logger(__name__)

PATIENCE: Final = 2.0
"""Seconds for which a mail waits for the database on behalf of a breaker; the work goes on without it."""


class Written(Protocol):
    """What is written: how many writes of it are under way, the number of the last one, and whether one is owed."""

    pending: int
    written: int
    owed: bool


class Writing:
    """For one event loop. ``away``: the database did not answer when it was last asked."""

    def __init__(self) -> None:
        self.away = False
        self.count = 0
        self._order = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def write(self, what: Written, work: Callable[[], Awaitable[object]]) -> None:
        """Has ``work`` done after everything that was to be written before; what fails is owed."""
        what.pending += 1
        task = asyncio.create_task(self._in_order(what, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _in_order(self, what: Written, work: Callable[[], Awaitable[object]]) -> None:
        what.owed = True
        try:
            async with self._order:
                if not self.away:
                    await work()
                    what.owed = False
        except StoreUnavailable:
            self.lost()
        finally:
            self.done(what)

    def done(self, what: Written) -> None:
        """One write has ended."""
        what.pending -= 1
        self.count += 1
        what.written = self.count

    def lost(self) -> None:
        """The database did not answer."""
        if not self.away:
            log.warning("breakers are kept in memory: the database does not answer")
        self.away = True

    async def settled(self) -> None:
        """Waits, for moments only, until what was to be written is durable."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=PATIENCE)

    async def aclose(self) -> None:
        """Waits like :meth:`settled` and gives up what is left."""
        await self.settled()
        left = set(self._tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
