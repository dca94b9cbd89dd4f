"""Deliveries of this process whose end the broker may not have heard of.

When a broker connection is lost while a mail is being sent, the broker delivers the same message again, to us or to
another replica. If it comes back to us we already know, or soon will, what became of it: a second send would be a
duplicate of our own making. Across processes only the ledger can know that; this table costs no disk.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field

from consumer.outcome import Finding, Progress


@dataclass(slots=True)
class Record:
    """One delivery: what was found once it is known, and how far that was acted on."""

    done: asyncio.Event = field(default_factory=asyncio.Event)
    finding: Finding | None = None
    progress: Progress = field(default_factory=Progress)


class Recent:
    """A bounded table of deliveries by the key of their message copy. For one event loop."""

    def __init__(self, capacity: int = 10_000) -> None:
        self._records: OrderedDict[bytes, Record] = OrderedDict()
        self._capacity = capacity

    def __len__(self) -> int:
        return len(self._records)

    def begin(self, key: bytes) -> Record:
        """Notes that work on this copy starts now.

        If there is a record of it already (somebody published the very same bytes again), that one stays: it is what a
        redelivery has to go on with.
        """
        record = Record()
        if self._records.setdefault(key, record) is not record:
            return record
        self._records.move_to_end(key)
        if len(self._records) > self._capacity:
            self._records.popitem(last=False)
        return record

    def end(self, key: bytes, record: Record, finding: Finding | None) -> None:
        """Notes what was found; without it the copy is forgotten, so that its next delivery does the work."""
        record.finding = finding
        record.done.set()
        if finding is None and self._records.get(key) is record:
            del self._records[key]

    async def find(self, key: bytes) -> Record | None:
        """The record of this copy once its end is known; waits for a delivery of it that is still at work here."""
        while (record := self._records.get(key)) is not None:
            await record.done.wait()
            if record.finding is not None:
                return record
        return None
