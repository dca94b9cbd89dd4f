"""The rows of the history: added in the transaction of the change itself. Knows no meaning of a column."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from config.store import Store
from config.store_schema import history

Values = Mapping[str, Any]

_KEPT: Final = 500


async def add(connection: AsyncConnection, organization: str, values: Values) -> None:
    """Adds a row, and removes what is older than the newest 500 of the organisation."""
    await connection.execute(insert(history).values(organization=organization, **values))
    oldest = select(history.c.id).where(history.c.organization == organization).order_by(history.c.id.desc())
    await connection.execute(
        delete(history).where(
            history.c.organization == organization,
            history.c.id <= oldest.offset(_KEPT).limit(1).scalar_subquery(),
        )
    )


class HistoryRows:
    """Reading the table. Every method raises :class:`~config.errors.StoreUnavailable`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def page(self, organization: str, before: int | None, limit: int) -> tuple[Values, ...]:
        """The newest rows first, those with an id smaller than ``before``."""
        query = select(history).where(history.c.organization == organization)
        if before is not None:
            query = query.where(history.c.id < before)
        async with self._store.read() as connection:
            rows = await connection.execute(query.order_by(history.c.id.desc()).limit(limit))
            return tuple(dict(row._mapping) for row in rows)
