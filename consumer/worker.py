"""The consume loop: takes deliveries, bounds what runs, and drains.

Stopping never cancels a consumer: ``basic.cancel`` would hand the partition over at once, with mails still in flight.
A drain starts nothing more, finishes and acknowledges what is being sent, and leaves the rest to the closing of the
connection.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass
from functools import partial

from config.errors import StoreUnavailable
from config.logs import get_logger
from consumer import names
from consumer.attempt import unfinished
from consumer.broker import Incoming
from consumer.copies import COPY_BYTES, copy_key, origin
from consumer.intake import Intake
from consumer.outcome import Finding, Hand, NotBegun, Progress, Reason
from consumer.quarantine import Entry, Quarantine
from consumer.recent import Recent
from consumer.settle import Settler
from consumer.steps import Step, Watch, nobody
from transports.errors import Code

log = get_logger(__name__)

_STORE_PAUSE = 15.0
_ALONE_PAUSE = 15.0
"""Seconds for which an event goes aside that could not be marked, or not run alone, in time."""

_SETTLE_AFTER_STOP = 3.0
"""Seconds at the end of a drain, half of it at most, that are kept for settling what was cut off."""

_GIVE_BACK_AFTER = 1.0

_SUSPECT = 2
"""Deliveries that came back from which on an event is marked before it runs. Of one that was being sent when a process
died the ledger knows; marks are for what kills before that, and would cost every prefetched event its transactions."""

_LAST_WORDS = 0.5
"""Seconds for what was cancelled to clean up behind itself, before what it needs is closed."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the worker is made of, put together by the composition root."""

    intake: Intake
    settler: Settler
    quarantine: Quarantine
    recent: Recent
    watch: Watch = nobody


class Worker:
    """Runs every delivery as a task of its own; the broker's prefetch is what bounds their number."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._startable = asyncio.Event()
        self._draining = False
        self._tasks: dict[asyncio.Task[None], float] = {}
        self._held: Counter[str] = Counter()
        self._ended: Counter[str] = Counter()
        self._started: set[asyncio.Task[None]] = set()
        self._settling: set[asyncio.Task[None]] = set()

    @property
    def in_hand(self) -> int:
        """Deliveries this process holds, started or not."""
        return len(self._tasks)

    def held(self, partition: str) -> int:
        """Deliveries of one partition in hand."""
        return self._held[partition]

    def ended(self, partition: str) -> int:
        """Deliveries of one partition whose handling has ended since the start."""
        return self._ended[partition]

    def oldest(self, now: float) -> float:
        """How long, in seconds, the delivery that was taken first is in hand; ``now`` is on the broker's clock."""
        return now - min(self._tasks.values(), default=now)

    def allow(self, startable: bool) -> None:
        """Mails may start, or must wait because their outcome could not be published (a blocked or lost connection)."""
        if startable:
            self._startable.set()
        else:
            self._startable.clear()

    def receive(self, incoming: Incoming, partition: str) -> None:
        """The broker's callback for one delivery of a work queue (or of the unsorted queue: empty ``partition``)."""
        if names.H_PROBE in incoming.properties.headers and not incoming.body:
            incoming.ack()
            return
        if self._draining:
            return
        task = asyncio.create_task(self._handle(incoming, partition))
        self._tasks[task] = incoming.received
        self._held[partition] += 1
        task.add_done_callback(partial(self._done, incoming, partition))

    def _done(self, incoming: Incoming, partition: str, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        self._held[partition] -= 1
        self._ended[partition] += 1
        self._started.discard(task)
        self._settling.discard(task)
        if not task.cancelled() and task.exception() is not None:
            # It must not keep its place in the prefetch; the pause keeps a defect from turning in a tight loop.
            log.error("a delivery ended unexpectedly", exc_info=task.exception())
            asyncio.get_running_loop().call_later(_GIVE_BACK_AFTER, incoming.give_back)

    async def _handle(self, incoming: Incoming, partition: str) -> None:
        intake = self._parts.intake
        self._parts.watch(Step.RECEIVED, incoming.properties.message_id or "")
        key = copy_key(incoming)
        if await self._known(incoming, partition, key):
            return
        aside = intake.too_early(incoming) or intake.worn(incoming, partition) or intake.skimmed(incoming, partition)
        if aside is not None:
            record = self._parts.recent.begin(key)
            self._parts.recent.end(key, record, aside)
            await self._settle(incoming, partition, aside, record.progress)
            return
        await self._startable.wait()
        if unfinished(incoming.properties.headers):
            await self._run_alone(incoming, partition, key)
            return
        if not incoming.redelivered or incoming.delivery_count < _SUSPECT:
            async with self._parts.quarantine.fresh():
                await self._run(incoming, partition, key)
            return
        try:
            await self._suspect(incoming, partition, key)
        except NotBegun:
            return  # not settled, so the verdict stands
        except StoreUnavailable:
            log.warning("a redelivered event waits for the store", queue=incoming.queue)
            waits = self._parts.intake.put_off(incoming, _STORE_PAUSE, Code.STORE_UNAVAILABLE)
            await self._settle(incoming, partition, waits, Progress())

    async def _run_alone(self, incoming: Incoming, partition: str, key: bytes) -> None:
        try:
            async with self._parts.quarantine.alone():
                await self._run(incoming, partition, key)
        except TimeoutError:
            waits = self._parts.intake.put_off(incoming, _ALONE_PAUSE, Reason.IN_PROGRESS)
            await self._settle(incoming, partition, waits, Progress())

    async def _known(self, incoming: Incoming, partition: str, key: bytes) -> bool:
        # A copy we published may have been written twice, when its confirm was lost; an original only comes back.
        if not incoming.redelivered and names.H_COPY not in incoming.properties.headers:
            return False
        known = await self._parts.recent.find(key)
        if known is None or known.finding is None:
            return False
        await self._settle(incoming, partition, known.finding, known.progress)
        return True

    async def _suspect(self, incoming: Incoming, partition: str, key: bytes) -> None:
        async with self._parts.quarantine.redelivered(incoming.body) as entry:
            if entry is Entry.RUN:
                await self._run(incoming, partition, key)
            elif not await self._settle(incoming, partition, self._parts.intake.poison(incoming), Progress()):
                raise NotBegun

    async def _run(self, incoming: Incoming, partition: str, key: bytes) -> None:
        # What waited at the gate may have lost its channel meanwhile: somebody else has the event now.
        if await self._known(incoming, partition, key) or not incoming.current():
            return
        record = self._parts.recent.begin(key)
        finding: Finding | None = None
        try:
            finding = await self._parts.intake.find(incoming, self._hand(incoming, partition, key))
        except NotBegun:
            return
        except Exception as fault:  # noqa: BLE001 - the boundary of one message: a defect of ours must not strand it
            finding = self._parts.intake.defect(incoming, fault)
        finally:
            self._parts.recent.end(key, record, finding)
        await self._settle(incoming, partition, finding, record.progress)

    def _hand(self, incoming: Incoming, partition: str, key: bytes) -> Hand:
        begin = partial(self._begin, incoming)
        before = origin(incoming, key)
        copy = bytes.fromhex(before) if before else key[:COPY_BYTES]
        ready = partial(self._ready, incoming)
        return Hand(copy, partition, incoming.received, bool(before), begin, ready, self._answered)

    async def _ready(self, incoming: Incoming) -> bool:
        """Whether mails may begin at all: nothing waits for the broker with its mark set."""
        await self._startable.wait()
        return not self._draining and incoming.current()

    def _answered(self) -> None:
        # From here on a drain must not come between: what was answered is to be recorded and settled.
        self._mark(self._settling)

    async def _begin(self, incoming: Incoming) -> bool:
        """The last look before a mail leaves: much may have happened while it waited for a slot."""
        await self._startable.wait()
        if self._draining or not incoming.current():
            return False
        self._mark(self._started)
        return True

    async def _settle(self, incoming: Incoming, partition: str, finding: Finding, progress: Progress) -> bool:
        # A drain must not come between the publishing of a copy and the ack: the event would be there twice.
        self._mark(self._started)
        self._mark(self._settling)
        return await self._parts.settler.settle(incoming, partition, finding, progress)

    @staticmethod
    def _mark(tasks: set[asyncio.Task[None]]) -> None:
        task = asyncio.current_task()
        if task is not None:
            tasks.add(task)

    async def drain(self, seconds: float) -> int:
        """Starts nothing more, finishes what runs, and returns the number of deliveries left to the broker.

        What is still being sent shortly before ``seconds`` are over is cut off and settled as an unknown outcome.
        """
        self._draining = True
        idle = self._tasks.keys() - self._started
        for task in idle:
            task.cancel()
        left = len(idle)
        settling = min(_SETTLE_AFTER_STOP, seconds / 2)
        await self._finish(seconds - settling)
        for task in self._started - self._settling:
            log.warning("a send is cut off by the end of the drain")
            task.cancel()
        await self._finish(settling)
        left += len(self._started)
        for task in set(self._started):
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=_LAST_WORDS)
        return left

    async def _finish(self, seconds: float) -> None:
        if self._started:
            await asyncio.wait(set(self._started), timeout=seconds)
