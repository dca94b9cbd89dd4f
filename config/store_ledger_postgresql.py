"""The account of events in PostgreSQL: a batch is one statement, so one way there and back, that commits by itself.

The keys of a batch go in order, so that two processes with the same keys wait for each other and not in a circle. Where
they do all the same, the server ends one of them, and the batch is repeated.
"""

import os
import socket
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from config.store_ledger_rows import HOUR, Batch, Counts, Row, Stands

if TYPE_CHECKING:
    from psycopg import Connection

SETTINGS: Final = (
    # Guesses at a table whose size nobody has counted yet would make these statements read all of it.
    "-c enable_seqscan=off -c enable_bitmapscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off "
    "-c plan_cache_mode=force_generic_plan"
)
"""Options of the connection."""

_NOW: Final = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
_SAME: Final = "key = %s AND mark = %s AND state = %s AND at = %s"
_INSERT: Final = (
    f"INSERT INTO ledger (key, state, at, hour, owed, reason, copy, mark) "  # noqa: S608 - no value in it
    f"VALUES (%s, %s, {_NOW}, {_NOW} / {HOUR}, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
)
_UPDATE: Final = (
    f"UPDATE ledger SET state = %s, at = {_NOW}, hour = {_NOW} / {HOUR}, "  # noqa: S608
    f"owed = %s, reason = %s, copy = %s, mark = %s WHERE {_SAME}"
)
_DELETE: Final = f"DELETE FROM ledger WHERE {_SAME}"  # noqa: S608
_LOOK: Final = f"SELECT key, state, at, owed, reason, copy, mark, {_NOW} FROM ledger WHERE key = ANY(%b::bytea[])"  # noqa: S608
_OLD: Final = "DELETE FROM {0} WHERE key = ANY(ARRAY(SELECT key FROM {0} WHERE {1} LIMIT %s FOR UPDATE SKIP LOCKED))"
_PRUNE: Final = (
    _OLD.format("ledger", f"hour < {_NOW} / {HOUR} - %s"),
    _OLD.format("lanes", f"at < {_NOW} - %s::bigint * {HOUR}"),
)

_STARTS: Final = f"""
starts AS (
    INSERT INTO ledger (key, state, at, hour, copy, mark)
    SELECT substr(%(starts)b, n + 1, 16), {Stands.STARTED:d}, {_NOW}, {_NOW} / {HOUR},
        substr(%(starts)b, n + 17, 8), substr(%(starts)b, n + 25, 8)
    FROM generate_series(0, length(%(starts)b::bytea) - 1, 32) AS n
    ON CONFLICT DO NOTHING RETURNING 1
)"""  # noqa: S608
_DONE: Final = f"""
done AS (
    UPDATE ledger SET state = {Stands.DONE:d}, at = {_NOW}, owed = NULL, reason = NULL
    FROM generate_series(0, length(%(done)b::bytea) - 1, 24) AS n
    WHERE key = substr(%(done)b, n + 1, 16) AND mark = substr(%(done)b, n + 17, 8) AND state < {Stands.OWED:d}
    RETURNING 1
)"""  # noqa: S608
_GONE: Final = f"""
gone AS (
    DELETE FROM ledger USING generate_series(0, length(%(gone)b::bytea) - 1, 24) AS n
    WHERE key = substr(%(gone)b, n + 1, 16) AND mark = substr(%(gone)b, n + 17, 8) AND state = {Stands.STARTED:d}
    RETURNING 1
)"""  # noqa: S608
"""Keys, copies and marks come joined to one value: an array of them costs more to write and read than all the rest."""

_LANES: Final = f"""
remembered AS (
    INSERT INTO lanes (key, memory, at)
    SELECT k, m, {_NOW} FROM unnest(%(lane_keys)s::text[], %(lane_memories)b::bytea[]) AS given (k, m)
    ON CONFLICT (key) DO UPDATE SET memory = excluded.memory, at = excluded.at
)"""  # noqa: S608


@cache
def _statement(starts: bool, done: bool, gone: bool, lanes: bool) -> str:
    parts = ((starts, "starts", _STARTS), (done, "done", _DONE), (gone, "gone", _GONE))
    counts = [f"(SELECT count(*) FROM {name})" if there else "0" for there, name, _ in parts]  # noqa: S608
    given = [text for there, _, text in (*parts, (lanes, "", _LANES)) if there]
    return f"WITH {', '.join(given)} SELECT {', '.join(counts)}"


class PostgresqlLedger:
    """One connection with :data:`SETTINGS`; see :class:`~config.store_ledger_rows.LedgerDatabase`."""

    def __init__(self, connection: "Connection[Any]") -> None:
        self._connection = connection
        connection.autocommit = True
        connection.prepare_threshold = 1
        self._cursor = connection.cursor()

    def commit(self, batch: Batch) -> Counts:
        if not (batch.starts or batch.done or batch.gone or batch.lanes):
            return Counts()
        statement = _statement(bool(batch.starts), bool(batch.done), bool(batch.gone), bool(batch.lanes))
        lanes = sorted(batch.lanes)
        values = {
            "starts": _joined(batch.starts),
            "done": _joined(batch.done),
            "gone": _joined(batch.gone),
            "lane_keys": [key for key, _ in lanes],
            "lane_memories": [memory for _, memory in lanes],
        }
        self._cursor.execute(statement, values)
        return Counts(*(self._cursor.fetchone() or ()))

    def look(self, keys: Collection[bytes]) -> tuple[Mapping[bytes, Row], int]:
        found = self._cursor.execute(_LOOK, (sorted(keys),)).fetchall()
        now = found[0][7] if found else self._now()
        return {row[0]: Row(*row[:7]) for row in found}, now

    def _now(self) -> int:
        row = self._cursor.execute(f"SELECT {_NOW}").fetchone()
        return int(row[0]) if row else 0

    def swap(self, old: Row | None, new: Row | None) -> bool:
        if new is None:
            return old is None or self._cursor.execute(_DELETE, _same(old)).rowcount == 1
        content = (new.owed, new.reason, new.copy, new.mark)
        if old is None:
            return self._cursor.execute(_INSERT, (new.key, new.state, *content)).rowcount == 1
        return self._cursor.execute(_UPDATE, (new.state, *content, *_same(old))).rowcount == 1

    def lane(self, key: str) -> bytes | None:
        found = self._cursor.execute("SELECT memory FROM lanes WHERE key = %s", (key,)).fetchone()
        return None if found is None else bytes(found[0])

    def prune(self, ledger_hours: int, lane_hours: int, limit: int) -> int:
        return max(
            self._cursor.execute(statement, (hours, limit)).rowcount
            for statement, hours in zip(_PRUNE, (ledger_hours, lane_hours), strict=True)
        )

    def interrupt(self) -> None:
        # A server that stands still would not notice being asked to stop.
        with socket.socket(fileno=os.dup(self._connection.fileno())) as wire:
            wire.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._connection.close()


def _joined(rows: Sequence[tuple[bytes, ...]]) -> bytes:
    return b"".join([value for row in sorted(rows) for value in row])


def _same(row: Row) -> tuple[object, ...]:
    return row.key, row.mark, row.state, row.at
