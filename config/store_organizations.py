"""The rows of organisations: reading and changing them, each change counted. Knows no meaning of a column.

Every change first adds one to the counter's only row. The lock on that row lasts until the commit, so changes take
place one after the other, in the order of their numbers, across all processes. A reader that asks for the counter
*before* it asks for rows therefore never misses a change with a number up to the one it saw.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from config.errors import StoreUnavailable
from config.store import Store
from config.store_schema import COUNTER_ROW, organizations, settings_version

Values = Mapping[str, Any]

_DELETED_KEPT: Final = timedelta(days=1)
"""How long an empty row of a deleted organisation stays for caches to learn of it; they forget all after seconds."""

_EMPTY: Final = {
    column.name: None
    for column in organizations.columns
    if column.name not in ("organization", "version", "changed", "deleted_at")
}


@dataclass(frozen=True, slots=True)
class Change:
    """One change under way: its number, and the row before it (``None``: there was none)."""

    connection: AsyncConnection
    number: int
    before: Values | None


class OrganizationRows:
    """Access to the table of organisations. Every method raises :class:`~config.errors.StoreUnavailable`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, organization: str) -> Values | None:
        """The row of an organisation, also one without a transport."""
        async with self._store.read() as connection:
            return await _row(connection, organization)

    async def page(self, after: str, limit: int) -> tuple[Values, ...]:
        """Rows with a transport in the order of their ids, beginning behind ``after``."""
        query = (
            select(organizations)
            .where(organizations.c.kind.is_not(None), organizations.c.organization > after)
            .order_by(organizations.c.organization)
            .limit(limit)
        )
        async with self._store.read() as connection:
            return tuple(_values(row) for row in await connection.execute(query))

    async def changes_since(self, number: int | None) -> tuple[int, tuple[str, ...]]:
        """The counter, and the organisations changed after ``number`` (``None``: none of them).

        A change may be told twice, but none with a number up to the returned one is missed.
        """
        async with self._store.read() as connection:
            newest = await _counter(connection)
            if number is None or newest == number:
                return newest, ()
            query = select(organizations.c.organization).where(organizations.c.changed > number)
            changed = await connection.scalars(query.order_by(organizations.c.changed))
            return newest, tuple(changed)

    async def suspended(self) -> dict[str, int]:
        """How many organisations are suspended, by reason code."""
        code = organizations.c.suspended_code
        query = select(code, func.count()).where(code.is_not(None), organizations.c.kind.is_not(None)).group_by(code)
        async with self._store.read() as connection:
            return {str(name): int(count) for name, count in await connection.execute(query)}

    @asynccontextmanager
    async def changing(self, organization: str) -> AsyncIterator[Change]:
        """A transaction with the next number, after every earlier change and before every later one."""
        async with self._store.write() as connection:
            number = await connection.scalar(
                update(settings_version)
                .where(settings_version.c.id == COUNTER_ROW)
                .values(version=settings_version.c.version + 1)
                .returning(settings_version.c.version)
            )
            if number is None:
                raise StoreUnavailable("the counter of changes has no row")
            yield Change(connection, number, await _row(connection, organization))

    async def put(self, change: Change, organization: str, values: Values) -> None:
        """Writes all columns of new settings; what ``values`` leaves out becomes empty, a suspension too."""
        full = {**_EMPTY, **values, "version": change.number, "changed": change.number, "deleted_at": None}
        if change.before is None:
            await change.connection.execute(insert(organizations).values(organization=organization, **full))
        else:
            await change.connection.execute(_one(organization).values(**full))

    async def clear(self, change: Change, organization: str, *, deleted_at: datetime | None) -> None:
        """Empties a row; rows deleted more than a day before are removed at the same time."""
        numbers = {"version": change.number, "changed": change.number, "deleted_at": deleted_at}
        await change.connection.execute(_one(organization).values(**_EMPTY, **numbers))
        if deleted_at is not None:
            await change.connection.execute(
                delete(organizations).where(organizations.c.deleted_at < deleted_at - _DELETED_KEPT)
            )

    async def set_suspension(self, organization: str, version: int, values: Values, *, suspended: bool) -> bool:
        """Writes the columns of a suspension, if the settings have this version and are ``suspended``, or are not.

        Returns whether the row was changed; if not, nothing is counted. The settings' version stays as it is.
        """
        code = organizations.c.suspended_code
        async with self.changing(organization) as change:
            done = await change.connection.execute(
                _one(organization)
                .where(organizations.c.version == version, organizations.c.kind.is_not(None))
                .where(code.is_not(None) if suspended else code.is_(None))
                .values(**values, changed=change.number)
            )
            if done.rowcount == 0:
                await change.connection.rollback()
            return done.rowcount > 0


def _one(organization: str) -> Any:
    return update(organizations).where(organizations.c.organization == organization)


async def _row(connection: AsyncConnection, organization: str) -> Values | None:
    row = (await connection.execute(select(organizations).where(organizations.c.organization == organization))).first()
    return None if row is None else _values(row)


async def _counter(connection: AsyncConnection) -> int:
    number = await connection.scalar(select(settings_version.c.version).where(settings_version.c.id == COUNTER_ROW))
    if number is None:
        raise StoreUnavailable("the counter of changes has no row")
    return int(number)


def _values(row: Row[Any]) -> Values:
    return dict(row._mapping)  # SQLAlchemy's documented name for it
