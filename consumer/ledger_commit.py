"""The ledger as a consumer has it: many events wait for one transaction, and none waits long.

While a transaction runs the next batch gathers. When nothing was committed lately the first to come is served at once;
under load a few milliseconds pass between two transactions, so that each is worth its price.
"""

import asyncio
import contextlib
import hashlib
import os
import time
from asyncio import Future
from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeVar

from config.errors import StoreUnavailable
from config.logs import get_logger
from config.secrets import KeyedHash
from config.store_ledger_rows import KEY_BYTES, MARK_BYTES, LedgerDatabase
from consumer.ledger import Record, Standing, State
from consumer.ledger_lanes import LaneMemory
from consumer.ledger_queue import LARGEST, Pending
from consumer.ledger_rules import Begin, End
from consumer.ledger_starts import Starts
from consumer.ledger_work import perform
from consumer.metrics_pacing import PacingMetrics

log = get_logger(__name__)

T = TypeVar("T")

PATIENCE: Final = 3.0
"""Seconds after which an answer that a mail waits for is given up."""

LEDGER_HOURS: Final = 7 * 24
LANE_HOURS: Final = 2 * 24
"""How long is remembered what became of an event that was last started then, and a lane that was last written then."""

_GATHER: Final = 0.005
"""Seconds between the beginnings of two transactions under load."""

_PAUSES: Final = (0.1, 0.2, 0.5, 1.0)
"""Seconds before a transaction that failed is repeated."""

_LAST_COMMITS: Final = 3.0
_PRUNED_AT_ONCE: Final = 500
_PRUNE_PAUSE: Final = 0.05


class Database(Protocol):
    """What runs blocking work; see :class:`config.store_ledger.LedgerStore`."""

    async def read(self, work: Callable[[LedgerDatabase], T]) -> T: ...

    async def write(self, work: Callable[[LedgerDatabase], T]) -> T: ...

    async def aclose(self) -> None: ...


class CommitLedger:
    """The :class:`~consumer.ledger.Ledger` of one process and event loop; it owns ``database``.

    ``also`` gives lanes whose memory has changed; it goes along with what is committed anyway. ``token`` gives random
    bytes, ``clock`` seconds of any start.
    """

    def __init__(
        self,
        database: Database,
        keyed_hash: KeyedHash,
        *,
        metrics: PacingMetrics,
        also: Callable[[], Sequence[tuple[str, bytes]]] = tuple,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
        token: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._database = database
        self._hash = keyed_hash
        self._metrics = metrics
        self._patience = patience
        self._clock = clock
        self._token = token
        self._pending = Pending(patience, clock)
        self._lanes = LaneMemory(also)
        self._starts = Starts(clock)
        self._wake = asyncio.Event()
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._flusher: asyncio.Task[None] | None = None
        self._committed_at = float("-inf")

    def key(self, organization: str, source: str, event_id: str) -> bytes:
        """The keyed hash of an event's identity."""
        return self._hash(b"event", organization.encode(), source.encode(), event_id.encode())

    async def begin(self, key: bytes, copy: bytes, *, resend: bool) -> Standing:
        """See :meth:`consumer.ledger.Ledger.begin`; raises StoreUnavailable after ``patience`` seconds.

        A start whose caller was cancelled, or told that the store is away, is undone.
        """
        copy = _checked(key, copy)
        standing = await self._ask(Begin(key, copy, self._token(MARK_BYTES), resend))
        return self._starts.seen(key, copy, standing)

    async def _ask(self, question: Begin) -> Standing:
        future: Future[Standing] = asyncio.get_running_loop().create_future()
        waiting = self._pending.ask(question, future)
        self._start()
        try:
            return await future
        except asyncio.CancelledError:
            waiting.given_up = True
            if not future.cancelled() and future.exception() is None:
                # The answer was there already, and nobody has read it.
                self._pending.undo(question, future.result())
                self._start()
            raise

    async def end(self, key: bytes, copy: bytes, record: Record, mark: bytes = b"") -> State:
        """See :meth:`consumer.ledger.Ledger.end`; raises nothing that the database does, and waits for it instead."""
        copy = _checked(key, copy)
        future: Future[Standing] = asyncio.get_running_loop().create_future()
        self._pending.tell(End(key, copy, self._starts.ended(key, copy, mark), record), future)
        self._start()
        return (await future).state

    async def lane(self, key: str) -> bytes | None:
        """What was last remembered of a lane, by any replica.

        Raises:
            StoreUnavailable: it cannot be read.
        """
        known = self._lanes.get(key)
        if known is not None:
            return known
        try:
            async with asyncio.timeout(self._patience):
                return await self._database.read(lambda database: database.lane(key))
        except TimeoutError as error:
            raise StoreUnavailable("what is remembered of a lane could not be read in time") from error

    def remember(self) -> None:
        """Has the memory of changed lanes written although nothing else is; for lanes that fell idle."""
        self._lanes.collect()
        if self._lanes:
            self._start()

    async def prune(self) -> int:
        """Forgets what is old in small steps, so that nothing waits for it; returns how many steps it took.

        Raises:
            StoreUnavailable: the rest is left for the next time.
        """
        steps = 1
        while await self._database.write(_prune) == _PRUNED_AT_ONCE:
            steps += 1
            await asyncio.sleep(_PRUNE_PAUSE)
        return steps

    async def drain(self, seconds: float) -> int:
        """Waits until everything is recorded, and returns how many operations are not after so many seconds."""
        self.remember()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._quiet.wait()
        return len(self._pending)

    async def aclose(self) -> None:
        """Records what is left, if that is possible within moments, and stops; idempotent."""
        left = await self.drain(_LAST_COMMITS)
        if left:
            log.error("the ledger ends with records that are not written", count=left)
        self._pending.close()
        if self._flusher is not None:
            self._flusher.cancel()
            await asyncio.gather(self._flusher, return_exceptions=True)
        await self._database.aclose()

    def _start(self) -> None:
        self._quiet.clear()
        self._wake.set()
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._flush(), name="ledger")

    async def _flush(self) -> None:
        failures = 0
        while True:
            await self._wake.wait()
            await self._gather(failures)
            batch = self._pending.take()
            if batch:
                self._lanes.collect()
            if batch or self._lanes:
                failures = 0 if await self._commit([waiting.operation for waiting in batch]) else failures + 1
            elif not self._pending:
                self._wake.clear()
                self._quiet.set()

    async def _gather(self, failures: int) -> None:
        if failures:
            await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES)) - 1])
            return
        pause = self._committed_at + _GATHER - self._clock()
        if pause > 0 and self._pending.waiting < LARGEST:
            await asyncio.sleep(pause)

    async def _commit(self, operations: "Sequence[Begin | End]") -> bool:
        lanes = self._lanes.unwritten()
        self._committed_at = began = self._clock()
        try:
            answers = await self._database.write(lambda database: perform(database, operations, list(lanes.items())))
        except Exception as error:  # whatever it was: the records of hand-offs must not be lost with it
            self._pending.failed()
            self._metrics.ledger_failed()
            log.warning("the ledger could not be written; it is tried again", count=len(operations), exc_info=error)
            return False
        self._lanes.written(lanes)
        self._pending.answered(answers)
        self._metrics.ledger_committed(self._clock() - began, len(operations))
        self._metrics.ledger_pending(self._pending.waiting)
        return True


def _prune(database: LedgerDatabase) -> int:
    return database.prune(LEDGER_HOURS, LANE_HOURS, _PRUNED_AT_ONCE)


def _checked(key: bytes, copy: bytes) -> bytes:
    """The copy's name in the rows."""
    if len(key) != KEY_BYTES:
        raise ValueError("not a key of the ledger")
    return copy if len(copy) == MARK_BYTES else hashlib.blake2b(copy, digest_size=MARK_BYTES).digest()
