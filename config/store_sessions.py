"""The rows of sessions and of hand-over tokens that were used. Knows hashes of tokens only."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from config.store import Store
from config.store_schema import sessions, used_tokens

Values = Mapping[str, Any]


class SessionRows:
    """Access to both tables. Every method raises :class:`~config.errors.StoreUnavailable`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, values: Values, *, now: datetime, unseen_since: datetime) -> None:
        """Adds a row, and removes all that have expired, were not ``seen_at`` since then, or need not be remembered."""
        async with self._store.write() as connection:
            ended = or_(sessions.c.expires_at <= now, sessions.c.seen_at <= unseen_since)
            await connection.execute(delete(sessions).where(ended))
            await connection.execute(delete(used_tokens).where(used_tokens.c.forget_at <= now))
            await connection.execute(insert(sessions).values(**values))

    async def get(self, token_hash: bytes) -> Values | None:
        """The row of a token."""
        async with self._store.read() as connection:
            row = (await connection.execute(select(sessions).where(sessions.c.token_hash == token_hash))).first()
            return None if row is None else dict(row._mapping)

    async def change(self, token_hash: bytes, **values: object) -> None:
        """Writes columns of a row, if it is there."""
        async with self._store.write() as connection:
            await connection.execute(update(sessions).where(sessions.c.token_hash == token_hash).values(**values))

    async def remove(self, token_hash: bytes) -> None:
        """Removes a row, if it is there."""
        async with self._store.write() as connection:
            await connection.execute(delete(sessions).where(sessions.c.token_hash == token_hash))

    async def use(self, token_hash: bytes, forget_at: datetime) -> bool:
        """Notes a token as used; of several that do so at once, in any process, one is told ``True``."""
        fresh = postgresql.insert if self._store.dialect == "postgresql" else sqlite.insert
        statement = fresh(used_tokens).values(token_hash=token_hash, forget_at=forget_at)
        once = statement.on_conflict_do_nothing(index_elements=[used_tokens.c.token_hash])
        async with self._store.write() as connection:
            # Not rowcount: for an INSERT it says nothing on PostgreSQL.
            return (await connection.execute(once.returning(used_tokens.c.forget_at))).first() is not None
