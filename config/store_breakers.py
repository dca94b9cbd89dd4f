"""Open breakers, as all replicas see them: what is not in the table is closed.

All times are by the database's clock, so replicas whose clocks differ agree on when a probe is due, and on whose it is.
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from config.breaker_keys import ACCOUNT, ENDPOINT, PLATFORM, OpenBreaker, key_of
from config.store import Store, clock_of
from config.store_schema_ledger import breakers

__all__ = ["ACCOUNT", "ENDPOINT", "PLATFORM", "BreakerRows", "OpenBreaker", "key_of"]

_FORGOTTEN: Final = timedelta(days=1)
"""After so long without anybody who came to probe, a breaker is closed: its account sends no more."""

_HORIZON: Final = timedelta(hours=1)
"""Beyond every pause and every claim: a time further off was written before the database's clock was put back."""


class BreakerRows:
    """Access to the table. Every method raises :class:`~config.errors.StoreUnavailable`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def open(self, key: str, reason: str, pause: float, failures: int) -> OpenBreaker:
        """Opens a breaker, unless it is open; gives the row as it stands. The first probe is due after ``pause``.

        What nobody has come to probe for a day is forgotten meanwhile.
        """
        upsert = postgresql.insert if self._store.dialect == "postgresql" else sqlite.insert
        async with self._store.write() as connection:
            now = await clock_of(connection)
            values = {
                "key": key,
                "reason": reason,
                "opened_at": now,
                "retry_at": now + timedelta(seconds=pause),
                "pause": pause,
                "failures": failures,
                "claimed_by": None,
            }
            await connection.execute(delete(breakers).where(breakers.c.retry_at < now - _FORGOTTEN))
            # Changing the reason to itself has the row given back, whoever made it.
            statement = (
                upsert(breakers)
                .values(values)
                .on_conflict_do_update(index_elements=[breakers.c.key], set_={"reason": breakers.c.reason})
                .returning(breakers)
            )
            return _read((await connection.execute(statement)).one(), now)

    async def claim(self, key: str, holder: str, lease: float) -> bool:
        """Takes the probe that is due, for ``lease`` seconds; ``False`` if none is, or somebody else has it.

        ``holder`` names this one probe. Of any number of replicas exactly one is told ``True``.
        """
        async with self._store.write() as connection:
            now = await clock_of(connection)
            taken = (
                update(breakers)
                .where(breakers.c.key == key, or_(breakers.c.retry_at <= now, breakers.c.retry_at > now + _HORIZON))
                .values(claimed_by=holder, retry_at=now + timedelta(seconds=lease))
            )
            return (await connection.execute(taken)).rowcount == 1

    async def postpone(self, key: str, holder: str, after: float, pause: float, failures: int) -> bool:
        """Ends a probe that did not close the breaker: the next one is due ``after`` seconds from now.

        ``False`` if it is no longer this holder's: its time ran out, or the breaker is closed.
        """
        async with self._store.write() as connection:
            now = await clock_of(connection)
            changed = (
                update(breakers)
                .where(breakers.c.key == key, breakers.c.claimed_by == holder)
                .values(claimed_by=None, retry_at=now + timedelta(seconds=after), pause=pause, failures=failures)
            )
            return (await connection.execute(changed)).rowcount == 1

    async def close(self, key: str) -> None:
        """Closes a breaker, whoever probes; nothing happens if it is closed."""
        async with self._store.write() as connection:
            await connection.execute(delete(breakers).where(breakers.c.key == key))

    async def prove_writable(self, holder: str) -> None:
        """Writes something that nobody sees; ``holder`` is unique, so that nobody waits for anybody.

        A database may answer and take nothing: a standby, a full disk.
        """
        key = key_of(PLATFORM, f"written/{holder}")
        async with self._store.write() as connection:
            now = await clock_of(connection)
            values = {"key": key, "reason": "", "opened_at": now, "retry_at": now, "pause": 0.0, "failures": 0}
            await connection.execute(insert(breakers).values(values))
            await connection.execute(delete(breakers).where(breakers.c.key == key))

    async def all(self) -> tuple[OpenBreaker, ...]:
        """Every open breaker."""
        async with self._store.read() as connection:
            found = (await connection.execute(select(breakers))).all()
            if not found:
                return ()
            now = await clock_of(connection)
        return tuple(_read(row, now) for row in found)

    async def of(self, organization: str, endpoint: str | None) -> tuple[OpenBreaker, ...]:
        """What holds an organisation's mail: the breaker of its account, then that of the server it sends by."""
        keys = [key_of(ACCOUNT, organization)]
        if endpoint is not None:
            keys.append(key_of(ENDPOINT, endpoint))
        async with self._store.read() as connection:
            found = await _some(connection, keys)
        return tuple(sorted(found, key=lambda row: keys.index(row.key)))


async def forget(connection: AsyncConnection, organization: str) -> None:
    """Closes the breaker of an organisation's account, in a transaction that puts other settings in its place."""
    await connection.execute(delete(breakers).where(breakers.c.key == key_of(ACCOUNT, organization)))


async def _some(connection: AsyncConnection, keys: list[str]) -> tuple[OpenBreaker, ...]:
    rows = (await connection.execute(select(breakers).where(breakers.c.key.in_(keys)))).all()
    if not rows:
        return ()
    now = await clock_of(connection)
    return tuple(_read(row, now) for row in rows)


def _read(row: object, now: datetime) -> OpenBreaker:
    values = row._mapping  # type: ignore[attr-defined]
    remaining = values["retry_at"] - now
    return OpenBreaker(
        values["key"],
        values["reason"],
        values["opened_at"],
        0.0 if remaining > _HORIZON else remaining.total_seconds(),
        values["pause"],
        values["failures"],
        values["claimed_by"],
    )
