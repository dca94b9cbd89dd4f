"""The rows of consents under way. Knows hashes of states and sessions only, and no meaning of a purpose."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert

from config.store import Store
from config.store_schema import oauth_flows

Values = Mapping[str, Any]


class FlowRows:
    """Access to the table. Every method raises :class:`~config.errors.StoreUnavailable`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, values: Values, *, began_after: datetime) -> None:
        """Adds a row, and removes all that began earlier."""
        async with self._store.write() as connection:
            await connection.execute(delete(oauth_flows).where(oauth_flows.c.began_at <= began_after))
            await connection.execute(insert(oauth_flows).values(**values))

    async def take(self, state_hash: str, session_hash: bytes) -> Values | None:
        """Removes a row of this session and returns it; of several who do so at once, in any process, one gets it."""
        mine = (oauth_flows.c.state_hash == state_hash) & (oauth_flows.c.session_hash == session_hash)
        statement = delete(oauth_flows).where(mine).returning(*oauth_flows.c)
        async with self._store.write() as connection:
            row = (await connection.execute(statement)).first()
            return None if row is None else dict(row._mapping)
