"""The rows of trials, and the count of wrong codes. What a state or a code means is not known here."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from config.store import Store
from config.store_schema import trials, wrong_codes

Values = Mapping[str, Any]

_KEPT: Final = 20


class TrialRows:
    """Access to the tables. Every method raises :class:`~config.errors.StoreUnavailable`.

    What takes a connection belongs in a block of :meth:`changing`.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    @asynccontextmanager
    async def changing(self, *names: str) -> AsyncIterator[AsyncConnection]:
        """A transaction beside which no other with one of these names runs, in any process."""
        async with self._store.write_alone(*(f"trial {name}" for name in names)) as connection:
            yield connection

    async def one(self, organization: str, trial_id: str) -> Values | None:
        """A row by its id, if it is of this organisation."""
        async with self._store.read() as connection:
            return await _first(connection, trials.c.id == trial_id, trials.c.organization == organization)

    async def latest(self, organization: str) -> Values | None:
        """The newest row of an organisation."""
        async with self._store.read() as connection:
            return await _first(connection, trials.c.organization == organization)

    async def in_state(self, connection: AsyncConnection, organization: str, state: str) -> Values | None:
        """The newest row of an organisation in this state, which nobody else changes before the transaction ends."""
        where = trials.c.organization == organization, trials.c.state == state
        return await _first(connection, *where, lock=True)

    async def began(self, connection: AsyncConnection, after: datetime, limit: int, **by: str) -> tuple[datetime, ...]:
        """When the newest rows began whose column has this value (``organization`` or ``throttled``), newest first."""
        wanted = [trials.c[name] == value for name, value in by.items()]
        query = select(trials.c.began_at).where(*wanted, trials.c.began_at > after)
        return tuple(await connection.scalars(query.order_by(trials.c.began_at.desc()).limit(limit)))

    async def add(self, connection: AsyncConnection, values: Values, *, keep_from: datetime) -> None:
        """Adds a row; of the organisation's rows older than ``keep_from`` only the newest 20 stay."""
        await connection.execute(insert(trials).values(**values))
        mine = trials.c.organization == values["organization"]
        oldest = select(trials.c.number).where(mine).order_by(trials.c.number.desc()).offset(_KEPT).limit(1)
        await connection.execute(
            delete(trials).where(mine, trials.c.number <= oldest.scalar_subquery(), trials.c.began_at < keep_from)
        )

    async def locked(self, connection: AsyncConnection, trial_id: str) -> Values | None:
        """A row by its id, which nobody else changes before the transaction ends."""
        return await _first(connection, trials.c.id == trial_id, lock=True)

    async def change(self, connection: AsyncConnection, number: int, **values: object) -> None:
        """Writes columns of a row."""
        await connection.execute(update(trials).where(trials.c.number == number).values(**values))

    async def by_code(self, connection: AsyncConnection, organization: str, code_hash: bytes) -> Values | None:
        """The newest row of an organisation with this hash."""
        return await _first(connection, trials.c.organization == organization, trials.c.code_hash == code_hash)

    async def wrong_codes(self, connection: AsyncConnection, organization: str) -> tuple[int, datetime] | None:
        """How many wrong codes were counted for an organisation, and since when."""
        query = select(wrong_codes.c.tries, wrong_codes.c.since).where(wrong_codes.c.organization == organization)
        row = (await connection.execute(query)).first()
        return None if row is None else (row.tries, row.since)

    async def count_wrong_codes(
        self, connection: AsyncConnection, organization: str, tries: int, since: datetime
    ) -> None:
        """Writes that count."""
        values = {"tries": tries, "since": since}
        fresh = postgresql.insert if self._store.dialect == "postgresql" else sqlite.insert
        statement = fresh(wrong_codes).values(organization=organization, **values)
        await connection.execute(
            statement.on_conflict_do_update(index_elements=[wrong_codes.c.organization], set_=values)
        )


async def break_off(connection: AsyncConnection, organization: str, at: datetime) -> None:
    """Ends what runs for an organisation: its settings were taken away, and none may come back by itself (R6)."""
    mine = trials.c.organization == organization, trials.c.state == "running"
    await connection.execute(update(trials).where(*mine).values(state="interrupted", ended_at=at))


async def is_running(connection: AsyncConnection, organization: str, trial_id: str, *, began_after: datetime) -> bool:
    """Whether a trial runs that began then or later; nobody ends it before the transaction does."""
    mine = trials.c.organization == organization, trials.c.id == trial_id, trials.c.state == "running"
    return await _first(connection, *mine, trials.c.began_at > began_after, lock=True) is not None


async def _first(connection: AsyncConnection, *where: ColumnElement[bool], lock: bool = False) -> Values | None:
    query = select(trials).where(*where).order_by(trials.c.number.desc()).limit(1)
    if lock:
        query = query.with_for_update()  # SQLite has one writer anyway, and passes this over
    row = (await connection.execute(query)).first()
    return None if row is None else dict(row._mapping)
