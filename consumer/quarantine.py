"""Events that may kill the process: counted where a crash cannot undo the count, and convicted alone.

The broker's own delivery count cannot tell the event that killed the process from those that were merely prefetched
beside it, and RabbitMQ 3.10, 4.0 and 4.3 count differently. So an event that came back is marked in the store right
before it starts, and the mark is taken off when it was settled. An event whose mark is found again was running when
the process died: from then on it runs alone (``gate``), and after a few such deaths it is a dead letter.
The mark is a keyed hash of the message's bytes: no parser has touched them yet, and it says nothing about a person.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from enum import Enum

from config.errors import StoreUnavailable
from config.logs import get_logger
from config.store_quarantine import QuarantineStore
from consumer.gate import Gate

log = get_logger(__name__)

TRIES = 3
"""Deaths while an event was marked, after which it is taken for the cause."""


_TURN = 15.0
"""Seconds for which an event waits in hand to run alone."""


class Entry(Enum):
    """What the quarantine says of an event: it may run, or it has killed the process too often."""

    RUN = "run"
    POISON = "poison"


class Quarantine:
    """Lets redelivered events in. ``digest`` makes the keyed hash of a message's bytes."""

    def __init__(
        self, store: QuarantineStore, gate: Gate, *, now: Callable[[], datetime], digest: Callable[[bytes], bytes]
    ) -> None:
        self._store = store
        self._gate = gate
        self._now = now
        self._digest = digest
        self._ours: Counter[bytes] = Counter()
        self._running: Counter[bytes] = Counter()

    @asynccontextmanager
    async def fresh(self) -> AsyncIterator[None]:
        """Around an event that is delivered for the first time: nothing is written down for it."""
        async with self._gate.together():
            yield

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Around an event that was being sent when a process died: nothing is written down, the ledger knows of it.

        Raises TimeoutError when too many others are to run alone first.
        """
        async with self._gate.alone(_TURN):
            yield

    @asynccontextmanager
    async def redelivered(self, body: bytes) -> AsyncIterator[Entry]:
        """Around a redelivered event; raises :class:`config.errors.StoreUnavailable`.

        A clean end of the block, and any exception in it, takes the mark off; only the death of the process leaves it.
        """
        key = self._digest(body)
        beside = self._running[key]
        # What this process began is no death: it lives.
        marks = max(0, await self._store.tries(key) - self._ours[key])
        # While copies of it run here, marks come and go in the store: they make it a suspect and never convict it.
        if marks >= TRIES and not beside and not self._running[key]:
            yield Entry.POISON
            await self._unmark(key)
            return
        async with self._gate.alone() if marks else self._gate.together():
            with self._run(key):
                try:
                    self._ours[key] += 1
                    await self._store.start(key, self._now())
                    yield Entry.RUN
                finally:
                    await self._unmark(key)

    @contextmanager
    def _run(self, key: bytes) -> Iterator[None]:
        self._running[key] += 1
        try:
            yield
        finally:
            self._running[key] -= 1
            if not self._running[key]:
                del self._running[key]

    async def _unmark(self, key: bytes) -> None:
        try:
            await self._store.clear(key)
            del self._ours[key]
        except StoreUnavailable:
            # A mark that stays is pruned with age; by itself it costs the event one lone run, never its life.
            log.warning("quarantine mark could not be removed")
