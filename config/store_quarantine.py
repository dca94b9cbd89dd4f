"""Where the marks of events under suspicion are kept: a keyed hash, how often it was started, and when last."""

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from config.store import Store
from config.store_schema import quarantine


class QuarantineStore:
    """Marks that outlive the process. Every method raises :class:`~config.errors.StoreUnavailable`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def start(self, key: bytes, now: datetime) -> int:
        """Counts one more start, atomically also between processes; returns the starts so far, this one included."""
        values = {"key": key, "tries": 1, "at": now}
        again = {"tries": quarantine.c.tries + 1, "at": now}
        insert = postgresql.insert if self._store.dialect == "postgresql" else sqlite.insert
        statement = (
            insert(quarantine)
            .values(values)
            .on_conflict_do_update(index_elements=[quarantine.c.key], set_=again)
            .returning(quarantine.c.tries)
        )
        async with self._store.write() as connection:
            return int((await connection.execute(statement)).scalar_one())

    async def tries(self, key: bytes) -> int:
        """The starts that were counted and not cleared; 0 for an unknown key."""
        async with self._store.read() as connection:
            return int(await connection.scalar(select(quarantine.c.tries).where(quarantine.c.key == key)) or 0)

    async def clear(self, key: bytes) -> None:
        """Forgets a key; nothing happens if it is not there."""
        async with self._store.write() as connection:
            await connection.execute(delete(quarantine).where(quarantine.c.key == key))

    async def prune(self, before: datetime) -> int:
        """Forgets the keys last started before a time; returns how many."""
        async with self._store.write() as connection:
            return (await connection.execute(delete(quarantine).where(quarantine.c.at < before))).rowcount
