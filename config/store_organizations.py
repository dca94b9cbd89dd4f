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

from sqlalchemy import Row, and_, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from config import store_breakers, store_grants
from config.errors import StoreUnavailable
from config.store import Store
from config.store_schema import (
    COUNTER_ROW,
    drafts,
    grants,
    history,
    oauth_flows,
    organizations,
    sessions,
    settings_version,
    trials,
    wrong_codes,
)

Values = Mapping[str, Any]

_DELETED_KEPT: Final = timedelta(days=1)
"""How long an empty row of a deleted organisation stays for caches to learn of it; they forget all after seconds."""

_NAMED: Final = 1000
"""Changed organisations that are told by name; a list of more would be the larger the more organisations there are."""

_EMPTY: Final = {
    column.name: None
    for column in organizations.columns
    if column.name not in ("organization", "version", "changed", "deleted_at")
}


_BELONGINGS: Final = (drafts, trials, wrong_codes, sessions, history, oauth_flows)
"""Every other table with rows of an organisation, but its grants, which are to be revoked."""

_ACCOUNT: Final = ("provider", "method", "way", "subject", "tenant", "email", "name", "scopes")
_IN_USE: Final = and_(
    grants.c.id == organizations.c.grant_id,
    grants.c.organization == organizations.c.organization,
    grants.c.state == store_grants.ACTIVE,
)
_WITH_ACCOUNT: Final = select(organizations, *(grants.c[name].label(f"grant_{name}") for name in _ACCOUNT)).select_from(
    organizations.outerjoin(grants, _IN_USE)
)
"""Rows with what settings say of the grant in use."""


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
            _WITH_ACCOUNT.where(organizations.c.kind.is_not(None), organizations.c.organization > after)
            .order_by(organizations.c.organization)
            .limit(limit)
        )
        async with self._store.read() as connection:
            return tuple(_values(row) for row in await connection.execute(query))

    async def changes_since(self, number: int | None) -> tuple[int, tuple[str, ...] | None]:
        """The counter, and the organisations changed after ``number`` (``None``: none of them).

        A change may be told twice, but none with a number up to the returned one is missed. ``None`` instead of the
        organisations: more than a thousand, which nobody wants one by one.
        """
        async with self._store.read() as connection:
            newest = await _counter(connection)
            if number is None or newest == number:
                return newest, ()
            query = select(organizations.c.organization).where(organizations.c.changed > number)
            found = await connection.scalars(query.order_by(organizations.c.changed).limit(_NAMED + 1))
            changed = tuple(found)
            return newest, changed if len(changed) <= _NAMED else None

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

    async def put(
        self, change: Change, organization: str, values: Values, *, deleted_at: datetime | None = None
    ) -> None:
        """Writes all columns of new settings; what ``values`` leaves out becomes empty, a suspension too.

        Whatever held the account back was about the settings before.
        """
        await store_breakers.forget(change.connection, organization)
        full = {**_EMPTY, **values, "version": change.number, "changed": change.number, "deleted_at": deleted_at}
        if change.before is None:
            await change.connection.execute(insert(organizations).values(organization=organization, **full))
        else:
            await change.connection.execute(_one(organization).values(**full))

    async def clear(self, change: Change, organization: str) -> None:
        """Empties a row."""
        await self.put(change, organization, {})

    async def set_limits(self, change: Change, organization: str, limits: Values | None) -> None:
        """Writes that column alone: the settings' version, a suspension and that they were verified stay."""
        await change.connection.execute(_one(organization).values(limits=limits, changed=change.number))

    async def erase(self, change: Change, organization: str, *, deleted_at: datetime) -> bool:
        """Empties the row, which goes a day later, and removes all else that belongs to the organisation.

        Its grants are retired: they go once they are revoked. Returns whether there was anything; if not, nothing is
        counted.
        """
        found = change.before is not None
        if found:  # this row before all others, in every transaction that needs it: nobody then waits in a circle
            await self.put(change, organization, {}, deleted_at=deleted_at)
        for table in _BELONGINGS:
            done = await change.connection.execute(delete(table).where(table.c.organization == organization))
            found = found or done.rowcount > 0
        retired = await store_grants.retire(change.connection, organization, deleted_at, *store_grants.LIVE)
        found = found or retired
        if not found:
            await change.connection.rollback()
        elif change.before is None:
            await self.put(change, organization, {}, deleted_at=deleted_at)
        return found

    async def purge(self, now: datetime) -> int:
        """Removes rows of organisations that were deleted more than a day ago, with the note that they were.

        Returns how many organisations went; none that was configured again is among them.
        """
        old = organizations.c.deleted_at < now - _DELETED_KEPT
        async with self._store.read() as connection:
            names = list(await connection.scalars(select(organizations.c.organization).where(old)))
        for name in names:
            # A change like any other, because somebody may be configuring it at this moment.
            async with self.changing(name) as change:
                this = organizations.c.organization == name
                if (await change.connection.execute(delete(organizations).where(this, old))).rowcount:
                    await change.connection.execute(delete(history).where(history.c.organization == name))
        return len(names)

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


async def verify(connection: AsyncConnection, organization: str, version: int, at: datetime) -> bool | None:
    """Notes that settings with this version were verified; ``None``: there are none, ``False``: they were before.

    No version changes and caches are not told: how mail leaves stays as it is.
    """
    query = select(organizations.c.verified_at).where(
        organizations.c.organization == organization,
        organizations.c.version == version,
        organizations.c.kind.is_not(None),
    )
    row = (await connection.execute(query.with_for_update())).first()
    if row is None or row.verified_at is not None:
        return None if row is None else False
    await connection.execute(_one(organization).values(verified_at=at))
    return True


def _one(organization: str) -> Any:
    return update(organizations).where(organizations.c.organization == organization)


async def _row(connection: AsyncConnection, organization: str) -> Values | None:
    row = (await connection.execute(_WITH_ACCOUNT.where(organizations.c.organization == organization))).first()
    return None if row is None else _values(row)


async def _counter(connection: AsyncConnection) -> int:
    number = await connection.scalar(select(settings_version.c.version).where(settings_version.c.id == COUNTER_ROW))
    if number is None:
        raise StoreUnavailable("the counter of changes has no row")
    return int(number)


def _values(row: Row[Any]) -> Values:
    return dict(row._mapping)  # SQLAlchemy's documented name for it
