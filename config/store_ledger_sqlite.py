"""The account of events in SQLite.

Every step of a statement gives up the interpreter's lock, and a busy event loop is slow to give it back: so a batch is
few statements with many values, and none with RETURNING.
"""

import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Final

from config.store_ledger_rows import HOUR, Batch, Counts, Row, Stands

_NOW: Final = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
_SAME: Final = "key = ? AND mark = ? AND state = ? AND at = ?"
_INSERT: Final = (
    f"INSERT INTO ledger (key, state, at, hour, owed, reason, copy, mark) "  # noqa: S608 - no value in it
    f"VALUES (?, ?, {_NOW}, {_NOW} / {HOUR}, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_UPDATE: Final = (
    f"UPDATE ledger SET state = ?, at = {_NOW}, hour = {_NOW} / {HOUR}, owed = ?, reason = ?, copy = ?, mark = ? "  # noqa: S608
    f"WHERE {_SAME}"
)
_DELETE: Final = f"DELETE FROM ledger WHERE {_SAME}"  # noqa: S608
_LANE: Final = (
    f"INSERT INTO lanes (key, memory, at) VALUES (?, ?, {_NOW}) "  # noqa: S608
    "ON CONFLICT (key) DO UPDATE SET memory = excluded.memory, at = excluded.at"
)
_PRUNE: Final = (
    f"DELETE FROM ledger WHERE key IN (SELECT key FROM ledger WHERE hour < {_NOW} / {HOUR} - ? LIMIT ?)",  # noqa: S608
    f"DELETE FROM lanes WHERE key IN (SELECT key FROM lanes WHERE at < {_NOW} - ? * {HOUR} LIMIT ?)",  # noqa: S608
)


@cache
def _marks(count: int) -> str:
    return ", ".join(["?"] * count)


@cache
def _starts(count: int) -> str:
    return (
        "INSERT INTO ledger (key, state, at, hour, copy, mark) "  # noqa: S608
        f"SELECT column1, {Stands.STARTED:d}, {_NOW}, {_NOW} / {HOUR}, column2, column3 "
        f"FROM (VALUES {', '.join(['(?, ?, ?)'] * count)}) WHERE true ON CONFLICT DO NOTHING"
    )


@cache
def _done(count: int) -> str:
    return (
        f"UPDATE ledger SET state = {Stands.DONE:d}, at = {_NOW}, owed = NULL, reason = NULL "  # noqa: S608
        f"WHERE key IN ({_marks(count)}) AND mark IN ({_marks(count)}) AND state < {Stands.OWED:d}"
    )


@cache
def _gone(count: int) -> str:
    return (
        f"DELETE FROM ledger WHERE key IN ({_marks(count)}) AND mark IN ({_marks(count)}) "  # noqa: S608
        f"AND state = {Stands.STARTED:d}"
    )


class SqliteLedger:
    """One connection, prepared by the engine; see :class:`~config.store_ledger_rows.LedgerDatabase`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        # What is answered for must outlive a power cut, not only the process.
        connection.execute("PRAGMA synchronous=FULL")

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN IMMEDIATE")
        yield self._connection
        self._connection.execute("COMMIT")

    def commit(self, batch: Batch) -> Counts:
        with self._writing() as connection:
            starts = done = gone = 0
            if batch.starts:
                values = [value for start in batch.starts for value in start]
                starts = connection.execute(_starts(len(batch.starts)), values).rowcount
            if batch.done:
                done = connection.execute(_done(len(batch.done)), _columns(batch.done)).rowcount
            if batch.gone:
                gone = connection.execute(_gone(len(batch.gone)), _columns(batch.gone)).rowcount
            if batch.lanes:
                connection.executemany(_LANE, batch.lanes)
        return Counts(starts, done, gone)

    def look(self, keys: Collection[bytes]) -> tuple[Mapping[bytes, Row], int]:
        now = self._connection.execute(f"SELECT {_NOW}").fetchone()[0]
        query = f"SELECT key, state, at, owed, reason, copy, mark FROM ledger WHERE key IN ({_marks(len(keys))})"  # noqa: S608
        return {row[0]: Row(*row) for row in self._connection.execute(query, list(keys)).fetchall()}, now

    def swap(self, old: Row | None, new: Row | None) -> bool:
        with self._writing() as connection:
            if new is None:
                return old is None or connection.execute(_DELETE, _same(old)).rowcount == 1
            content = (new.owed, new.reason, new.copy, new.mark)
            if old is None:
                return connection.execute(_INSERT, (new.key, new.state, *content)).rowcount == 1
            return connection.execute(_UPDATE, (new.state, *content, *_same(old))).rowcount == 1

    def lane(self, key: str) -> bytes | None:
        found = self._connection.execute("SELECT memory FROM lanes WHERE key = ?", (key,)).fetchone()
        return None if found is None else bytes(found[0])

    def prune(self, ledger_hours: int, lane_hours: int, limit: int) -> int:
        with self._writing() as connection:
            return max(
                connection.execute(statement, (hours, limit)).rowcount
                for statement, hours in zip(_PRUNE, (ledger_hours, lane_hours), strict=True)
            )

    def interrupt(self) -> None:
        self._connection.interrupt()

    def close(self) -> None:
        self._connection.close()


def _columns(pairs: Collection[tuple[bytes, bytes]]) -> list[bytes]:
    return [key for key, _ in pairs] + [mark for _, mark in pairs]


def _same(row: Row) -> tuple[object, ...]:
    return row.key, row.mark, row.state, row.at
