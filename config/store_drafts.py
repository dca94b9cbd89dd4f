"""The rows of drafts, one for an organisation. Knows no meaning of a column."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from config.store import Store
from config.store_schema import drafts

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DraftChange:
    """A change of an organisation's draft under way, with the row before it."""

    connection: AsyncConnection
    organization: str
    before: Values | None


class DraftRows:
    """Access to the table. Every method raises :class:`~config.errors.StoreUnavailable`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, organization: str) -> Values | None:
        """The row of an organisation."""
        async with self._store.read() as connection:
            return await _row(connection, organization)

    @asynccontextmanager
    async def changing(self, organization: str) -> AsyncIterator[DraftChange]:
        """A transaction beside which nobody else changes this draft by :meth:`put`."""
        async with self._store.write_alone(f"draft {organization}") as connection:
            yield DraftChange(connection, organization, await _row(connection, organization))

    async def put(self, change: DraftChange, values: Values) -> None:
        """Writes the row."""
        insert = postgresql.insert if self._store.dialect == "postgresql" else sqlite.insert
        statement = insert(drafts).values(organization=change.organization, **values)
        await change.connection.execute(
            statement.on_conflict_do_update(index_elements=[drafts.c.organization], set_=dict(values))
        )

    async def remove(self, organization: str) -> bool:
        """Removes the row; returns whether there was one."""
        async with self._store.write() as connection:
            return await discard(connection, organization)


async def discard(connection: AsyncConnection, organization: str, *, saved_at: datetime | None = None) -> bool:
    """Removes an organisation's draft, with ``saved_at`` only the one saved then; returns whether there was one."""
    statement = delete(drafts).where(drafts.c.organization == organization)
    if saved_at is not None:
        statement = statement.where(drafts.c.saved_at == saved_at)
    return (await connection.execute(statement)).rowcount > 0


async def forget_password(connection: AsyncConnection, organization: str) -> None:
    """Takes the password out of a draft: whoever changed the one in use knows better."""
    await connection.execute(update(drafts).where(drafts.c.organization == organization).values(password_sealed=None))


async def _row(connection: AsyncConnection, organization: str) -> Values | None:
    row = (await connection.execute(select(drafts).where(drafts.c.organization == organization))).first()
    return None if row is None else dict(row._mapping)
