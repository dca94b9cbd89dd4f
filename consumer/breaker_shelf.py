"""Breakers in memory, and their rows in the table that all replicas share.

Memory decides, so nothing waits for the database while nothing is open; the table carries what is open to the other
replicas, and decides alone whose the next probe is. While the database is away each replica goes by what it remembers,
and writes it down afterwards.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

from config.breaker_keys import OpenBreaker
from config.errors import StoreUnavailable
from config.store_breakers import BreakerRows
from consumer.breaker_entry import Entry
from consumer.breaker_memory import Memory
from consumer.breaker_writing import PATIENCE, Writing
from consumer.metrics_pacing import Probe


class Shelf:
    """For one event loop. ``holder`` is unique to this process; a claim lasts ``lease`` seconds.

    ``changed`` is called after a breaker opened or closed; ``clock`` is that of ``memory``.
    """

    def __init__(
        self,
        rows: BreakerRows,
        memory: Memory,
        *,
        holder: str,
        lease: float,
        changed: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._rows = rows
        self._memory = memory
        self._holder = holder[-100:]
        self._lease = lease
        self._changed = changed
        self._clock = clock
        self._probes = 0
        self._writing = Writing()
        self._claiming: set[asyncio.Task[str | None]] = set()
        self._refreshing: asyncio.Task[bool] | None = None
        self._looked = float("-inf")

    @property
    def open(self) -> dict[str, Entry]:
        """The open ones by key."""
        return self._memory.open

    @property
    def remembers(self) -> bool:
        """Whether anything counts against anybody."""
        return len(self._memory) > 0

    # -- what was seen ------------------------------------------------------------------------------------------

    def entry(self, key: str, *, local: bool = False) -> Entry:
        """The breaker of this key, made if need be."""
        return self._memory.entry(key, local=local)

    def failed(self, key: str, account: str, *, slow: bool) -> Entry:
        """A mail of this account met no answer; opens nothing."""
        return self._memory.failed(key, account, slow=slow)

    def open_up(self, entry: Entry, reason: str) -> None:
        """Opens it here and, soon, for everybody."""
        if self._memory.open_up(entry, reason):
            self._write(entry, partial(self._open_row, entry))
            self._changed()

    def answered(self, key: str) -> None:
        """Somebody answered: nothing counts against it any more, and it is closed."""
        entry = self._memory.find(key)
        if entry is not None and self._memory.shut(entry):
            self._write(entry, partial(self._close_row, entry))
            self._changed()

    def own(self, key: str) -> Entry:
        """The breaker of this key, from now on of this process only, whatever the table says."""
        entry = self._memory.entry(key, local=True)
        entry.local = True
        return entry

    def shared(self, key: str) -> None:
        """Ends what was of this process only: from now on the breaker is as the table says."""
        self.answered(key)
        self._memory.entry(key).local = False

    # -- probes -------------------------------------------------------------------------------------------------

    async def claim(self, entry: Entry) -> str | None:
        """Takes the probe of an open breaker that is due; ``None`` if somebody else has it, or will.

        One of this process only may be claimed before it is due.
        """
        now = self._clock()
        if entry.ours(now) or entry.pending or not (entry.local or entry.breaker.may_probe(now)):
            return None
        self._probes += 1
        token = f"{self._holder}/{self._probes}"
        if entry.local or self._writing.away:
            self._memory.probing(entry, token, now + self._lease)
            return token
        entry.pending += 1
        asking = asyncio.create_task(self._claim_row(entry, token))
        self._claiming.add(asking)
        asking.add_done_callback(self._claiming.discard)
        try:
            done, _ = await asyncio.wait({asking}, timeout=PATIENCE)
        except asyncio.CancelledError:
            asking.add_done_callback(partial(self._nobody_waits, entry))
            raise
        if done:
            return asking.result()
        asking.add_done_callback(partial(self._nobody_waits, entry))
        return None

    async def _claim_row(self, entry: Entry, token: str) -> str | None:
        until = self._clock() + self._lease  # the table's ends a little later
        try:
            taken = await self._rows.claim(entry.key, token, self._lease)
        except StoreUnavailable:
            self._writing.lost()
            taken = True
        finally:
            self._writing.done(entry)
        if taken:
            self._memory.probing(entry, token, until)
            return token
        self._memory.missed(entry)
        return None

    def _nobody_waits(self, entry: Entry, task: asyncio.Task[str | None]) -> None:
        if not task.cancelled() and (token := task.result()) is not None:
            self.probe_ended(entry.key, token, Probe.GIVEN_UP)

    def probe_ended(self, key: str, token: str, how: Probe) -> None:
        """A probe did not close its breaker; one whose time ran out changes nothing."""
        entry = self._memory.find(key)
        if entry is None or entry.claim != token:
            return
        after = self._memory.probed(entry, how)
        pause, failures = entry.breaker.pause, entry.breaker.failures
        self._write(entry, partial(self._rows.postpone, key, token, after, pause, failures))

    def in_vain(self, entry: Entry) -> None:
        """What opened a breaker of this process only was met again after its pause: the next one is longer."""
        self._memory.probed(entry, Probe.FAILED)

    # -- the table ----------------------------------------------------------------------------------------------

    async def settled(self, keys: Iterable[str]) -> None:
        """Waits, for moments only, until what is known of these is durable."""
        if any(entry.pending for key in keys if (entry := self._memory.find(key)) is not None):
            await self._writing.settled()

    async def aclose(self) -> None:
        """Ends what is under way; what was claimed and not used runs out by itself."""
        left: set[asyncio.Task[Any]] = {*self._claiming, *((self._refreshing,) if self._refreshing else ())}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._writing.aclose()

    def _write(self, entry: Entry, work: Callable[[], Awaitable[object]]) -> None:
        if not entry.local:
            self._writing.write(entry, work)

    async def _open_row(self, entry: Entry) -> None:
        row = await self._rows.open(entry.key, entry.reason, entry.breaker.pause, entry.breaker.failures)
        if entry.breaker.is_open:
            entry.saved = True
            if entry.claim is None:
                self._memory.adopt(entry, row)

    async def _close_row(self, entry: Entry) -> None:
        if not entry.breaker.is_open:
            await self._rows.close(entry.key)

    async def refresh(self, max_age: float = 0.0) -> bool:
        """Reads the table, unless that was done less than ``max_age`` seconds ago; whether the database answers."""
        if self._refreshing is None or self._refreshing.done():
            if self._clock() - self._looked < max_age:
                return not self._writing.away
            self._refreshing = asyncio.create_task(self._refresh())
        return await asyncio.shield(self._refreshing)

    async def writable(self) -> bool:
        """Whether the database takes what is written; it may answer and not do so."""
        try:
            await self._rows.prove_writable(self._holder)
        except StoreUnavailable:
            return False
        return True

    async def look(self, max_age: float) -> None:
        """The same for a mail that waits: for moments only, and not while the database is away."""
        if self._writing.away or (self._idle() and self._clock() - self._looked < max_age):
            return
        looking = asyncio.ensure_future(self.refresh(max_age))
        await asyncio.wait({looking}, timeout=PATIENCE)

    def _idle(self) -> bool:
        return self._refreshing is None or self._refreshing.done()

    async def _refresh(self) -> bool:
        mark, self._looked = self._writing.count, self._clock()
        try:
            found = {row.key: row for row in await self._rows.all()}
        except StoreUnavailable:
            self._writing.lost()
            return False
        self._writing.away = False
        before = set(self.open)
        unlisted = [entry for key, entry in self.open.items() if key not in found and not entry.local]
        for entry in [self.entry(key) for key in found] + unlisted:
            # What was written meanwhile may be newer than what was read.
            if not entry.local and not entry.pending and entry.written <= mark:
                self._compare(entry, found.get(entry.key))
        self._memory.tidy()
        if before != set(self.open):
            self._changed()
        return True

    def _compare(self, entry: Entry, row: OpenBreaker | None) -> None:
        if row is not None and entry.owed and not entry.breaker.is_open:
            self._write(entry, partial(self._close_row, entry))
        elif row is not None:
            entry.owed = False
            self._memory.adopt(entry, row)
        elif entry.saved and not entry.owed:
            self._memory.shut(entry)
        else:
            self._write(entry, partial(self._open_row, entry))
