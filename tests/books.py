"""A ledger in memory that keeps the contract of :class:`consumer.ledger.Ledger`, for tests of what relies on it."""

from dataclasses import dataclass

from config.errors import StoreUnavailable
from consumer.ledger import Record, Standing, State


@dataclass(slots=True)
class Row:
    """What the table has of one event."""

    state: State
    at: float
    owed: tuple[int, ...] | None = None
    reason: str = ""
    copy: bytes = b""


class Book:
    """``clock`` gives seconds. While ``away`` nothing can be asked or recorded."""

    def __init__(self, clock=lambda: 0.0):
        self.rows: dict[bytes, Row] = {}
        self.clock, self.away = clock, False
        self.ends: list[tuple[bytes, Record]] = []

    def key(self, organization, source, event_id):
        return f"{organization}\0{source}\0{event_id}".encode()

    async def begin(self, key, copy, *, resend):
        self._answer()
        row = self.rows.get(key)
        if row is None:
            self.rows[key] = Row(State.STARTED, self.clock(), copy=copy)
            return Standing(State.NEW, began=True)
        was = row.state
        began = was is State.OWED or (was is State.UNKNOWN and resend)
        standing = Standing(was, began, row.owed, self.clock() - row.at, row.reason, row.copy == copy)
        if began:
            self.rows[key] = Row(State.STARTED, self.clock(), row.owed, copy=copy)
        return standing

    async def end(self, key, copy, record, mark=b""):
        self._answer()
        self.ends.append((key, record))
        row = self.rows.get(key)
        if row is not None and row.state is State.DONE:
            return State.DONE
        if record.state is State.NEW:
            self.rows.pop(key, None)
        else:
            self.rows[key] = Row(record.state, self.clock(), record.owed, record.reason, copy)
        return record.state

    async def aclose(self):
        """Nothing to close."""

    def states(self):
        """The states of all events on record."""
        return [row.state for row in self.rows.values()]

    def _answer(self):
        if self.away:
            raise StoreUnavailable("away")
