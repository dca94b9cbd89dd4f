"""The rows of grants: changed in one statement each where replicas may meet. Knows no secret and no provider.

A grant is *live* as a candidate or in use, of which an organisation has at most one each; retired, it waits to be
revoked and gives no more tokens.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, exists, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from config.store import Store, clock_of
from config.store_schema import grants

Values = Mapping[str, Any]

CANDIDATE: Final = "candidate"
ACTIVE: Final = "active"
RETIRED: Final = "retired"
LIVE: Final = (CANDIDATE, ACTIVE)

_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NO_LEASE: Final = {"lease_holder": None, "lease_until": None}
_ALIVE: Final = {"dead_code": None, "dead_detail": "", "dead_at": None}
_ANONYMOUS: Final = {"email": "", "name": "", "scopes": [], "actor_name": "", "actor_email": ""}
_NO_ACCESS: Final = {"access_sealed": None, "access_expires_at": None}
NEW: Final = {"version": 1, "retired_at": None, "revoke_at": None, "revoke_tries": 0, **_NO_LEASE, **_ALIVE}
"""What a row has that was just made."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A transaction, and when it began."""

    connection: AsyncConnection
    now: datetime


class GrantRows:
    """Access to the table. Every method raises :class:`~config.errors.StoreUnavailable`.

    Times are those of the database's clock, or of ``now`` if it is given.
    """

    def __init__(self, store: Store, now: Callable[[], datetime] | None = None) -> None:
        self._store = store
        self._now = now

    async def live(self, grant: str) -> tuple[Values, datetime] | None:
        """A live row by its id, and the time at which it was read."""
        async with self._store.read() as connection:
            row = await _first(connection, grants.c.id == grant, grants.c.state.in_(LIVE))
            return None if row is None else (row, await self._time(connection))

    async def of(self, organization: str, state: str) -> Values | None:
        """The row of an organisation in this state, one of the live ones."""
        async with self._store.read() as connection:
            return await _first(connection, grants.c.organization == organization, grants.c.state == state)

    async def by_id(self, grant: str) -> Values | None:
        """A row by its id, live or not."""
        async with self._store.read() as connection:
            return await _first(connection, grants.c.id == grant)

    @asynccontextmanager
    async def turn(self, *organizations: str) -> AsyncIterator[Turn]:
        """A transaction beside which nobody else adds or discards a candidate of these organisations."""
        async with self._store.write_alone(*(f"grants {organization}" for organization in organizations)) as connection:
            yield Turn(connection, await self._time(connection))

    async def add(self, turn: Turn, values: Values) -> None:
        """Adds a candidate; one that was there is retired."""
        await retire(turn.connection, values["organization"], turn.now, CANDIDATE)
        await turn.connection.execute(insert(grants).values(**{**NEW, **_NO_ACCESS, **values}))

    async def lock(self, turn: Turn, grant: str, version: int) -> Values | None:
        """The live row, if it has this version; nobody else changes it before the transaction ends."""
        return await _first(turn.connection, *_is(grant, version), lock=True)

    async def keep(self, turn: Turn, row: Values, values: Values) -> Values:
        """Writes a new version of a locked row: it is alive, refreshed now, and nobody's to refresh."""
        news = {**_ALIVE, **_NO_LEASE, **values, "version": row["version"] + 1, "refreshed_at": turn.now}
        await turn.connection.execute(update(grants).where(grants.c.id == row["id"]).values(**news))
        return {**row, **news}

    async def take_lease(self, grant: str, version: int, holder: str, seconds: float) -> bool | None:
        """Writes a lease, unless another's holds or the version differs; returns whether another's had run out."""
        async with self._store.write() as connection:
            now = await self._time(connection)
            lease = {"lease_holder": holder, "lease_until": now + timedelta(seconds=seconds)}
            statement = update(grants).where(*_is(grant, version)).values(**lease)
            free = or_(grants.c.lease_holder.is_(None), grants.c.lease_holder == holder)
            for overdue, may in ((False, free), (True, grants.c.lease_until <= now)):
                if (await connection.execute(statement.where(may))).rowcount > 0:
                    return overdue
            return None

    async def release(self, grant: str, holder: str) -> None:
        """Removes the holder's lease."""
        async with self._store.write() as connection:
            mine = grants.c.id == grant, grants.c.lease_holder == holder
            await connection.execute(update(grants).where(*mine).values(**_NO_LEASE))

    async def mark_dead(self, grant: str, version: int, holder: str, *, code: str, detail: str) -> bool:
        """Notes a death and ends the holder's lease, unless another has one or the version differs."""
        async with self._store.write() as connection:
            not_of_others = or_(grants.c.lease_holder.is_(None), grants.c.lease_holder == holder)
            death = {"dead_code": code, "dead_detail": detail, "dead_at": await self._time(connection)}
            statement = update(grants).where(*_is(grant, version), not_of_others)
            return (await connection.execute(statement.values(**death, **_NO_LEASE))).rowcount > 0

    async def stale(self, method: str, seconds: float, limit: int) -> Sequence[str]:
        """Ids of rows in use of this method, alive and last refreshed so long ago; oldest first."""
        async with self._store.read() as connection:
            before = await self._time(connection) - timedelta(seconds=seconds)
            query = (
                select(grants.c.id)
                .where(grants.c.state == ACTIVE, grants.c.refreshed_at < before)
                .where(grants.c.method == method, grants.c.dead_code.is_(None))
                .order_by(grants.c.refreshed_at)
                .limit(limit)
            )
            return tuple(await connection.scalars(query))

    async def retire_old_candidates(self, turn: Turn, age: timedelta) -> None:
        """Retires candidates connected longer ago than ``age``."""
        old = grants.c.state == CANDIDATE, grants.c.connected_at < turn.now - age
        await _retire(turn.connection, turn.now, *old)

    async def forget_retired(self, turn: Turn, age: timedelta) -> None:
        """Removes rows retired longer ago than ``age``, and those whose account is live with another row.

        What the provider knows as one and the same account is ended there as a whole, the new connection with it.
        """
        live = grants.alias()
        same = (live.c.provider == grants.c.provider, live.c.subject == grants.c.subject)
        again = exists().where(*same, live.c.tenant == grants.c.tenant, live.c.state.in_(LIVE))
        gone = or_(grants.c.retired_at < turn.now - age, grants.c.secret_sealed.is_(None), again)
        await turn.connection.execute(delete(grants).where(grants.c.state == RETIRED, gone))

    async def claim_retired(self, turn: Turn, pause: timedelta, limit: int) -> tuple[Values, ...]:
        """Retired rows whose time has come, the oldest first; nobody else gets them during the ``pause``."""
        due = grants.c.state == RETIRED, grants.c.revoke_at <= turn.now
        query = select(grants).where(*due).order_by(grants.c.revoke_at).limit(limit).with_for_update(skip_locked=True)
        rows = tuple(dict(row._mapping) for row in await turn.connection.execute(query))
        mine = grants.c.id.in_([row["id"] for row in rows])
        await turn.connection.execute(update(grants).where(mine).values(revoke_at=turn.now + pause))
        return rows

    async def live_again(self, grant: str) -> bool:
        """Whether the account of a retired row is live with another one."""
        async with self._store.read() as connection:
            row = await _first(connection, grants.c.id == grant)
            return row is not None and await _first(connection, *_of_account(row), grants.c.state.in_(LIVE)) is not None

    async def doubt(self, grant: str) -> int:
        """Has live rows of a retired row's account refreshed as soon as they are looked at; returns how many."""
        async with self._store.write() as connection:
            row = await _first(connection, grants.c.id == grant)
            if row is None:
                return 0
            live = update(grants).where(*_of_account(row), grants.c.state.in_(LIVE))
            return (await connection.execute(live.values(**_NO_ACCESS, refreshed_at=_LONG_AGO))).rowcount

    async def postpone(self, turn: Turn, grant: str, pause: Callable[[int], timedelta]) -> None:
        """Counts a try to revoke; the next is after a ``pause`` that depends on the tries so far."""
        row = await _first(turn.connection, grants.c.id == grant, grants.c.state == RETIRED, lock=True)
        if row is not None:
            tries = row["revoke_tries"] + 1
            values = {"revoke_tries": tries, "revoke_at": turn.now + pause(tries)}
            await turn.connection.execute(update(grants).where(grants.c.id == grant).values(**values))

    async def remove_retired(self, grant: str) -> None:
        """Removes a retired row."""
        async with self._store.write() as connection:
            await connection.execute(delete(grants).where(grants.c.id == grant, grants.c.state == RETIRED))

    async def _time(self, connection: AsyncConnection) -> datetime:
        return await clock_of(connection) if self._now is None else self._now()


async def activate(connection: AsyncConnection, organization: str, grant: str, at: datetime) -> None:
    """Puts a candidate, locked by this transaction, to use instead of the row in use, which is retired."""
    await retire(connection, organization, at, ACTIVE)
    await connection.execute(update(grants).where(grants.c.id == grant).values(state=ACTIVE))


async def retire(connection: AsyncConnection, organization: str, at: datetime, *states: str) -> bool:
    """Retires an organisation's rows in these states; returns whether there was one.

    What is not needed to revoke it goes at once: names, tokens, and what has nothing to be revoked (``app``).
    """
    return await _retire(connection, at, grants.c.organization == organization, grants.c.state.in_(states))


async def live(connection: AsyncConnection, organization: str, grant: str) -> Values | None:
    """An organisation's row by its id, if it is live; nobody else changes it before the transaction ends."""
    where = grants.c.id == grant, grants.c.organization == organization, grants.c.state.in_(LIVE)
    return await _first(connection, *where, lock=True)


async def candidate(connection: AsyncConnection, organization: str) -> Values | None:
    """An organisation's candidate; nobody else changes it before the transaction ends."""
    where = grants.c.organization == organization, grants.c.state == CANDIDATE
    return await _first(connection, *where, lock=True)


async def _retire(connection: AsyncConnection, at: datetime, *where: ColumnElement[bool]) -> bool:
    dropped = await connection.execute(delete(grants).where(*where, grants.c.method == "app"))
    left = {**_ANONYMOUS, **_NO_ACCESS, **_NO_LEASE, **_ALIVE}
    changed = await connection.execute(
        update(grants).where(*where).values(**left, state=RETIRED, retired_at=at, revoke_at=at)
    )
    return dropped.rowcount + changed.rowcount > 0


def _of_account(row: Values) -> tuple[ColumnElement[bool], ...]:
    return tuple(grants.c[name] == row[name] for name in ("provider", "subject", "tenant"))


def _is(grant: str, version: int) -> tuple[ColumnElement[bool], ...]:
    return grants.c.id == grant, grants.c.version == version, grants.c.state.in_(LIVE)


async def _first(connection: AsyncConnection, *where: ColumnElement[bool], lock: bool = False) -> Values | None:
    query = select(grants).where(*where).limit(1)
    if lock:
        query = query.with_for_update()  # SQLite has one writer anyway, and passes this over
    row = (await connection.execute(query)).first()
    return None if row is None else dict(row._mapping)
