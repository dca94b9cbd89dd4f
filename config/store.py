"""The database as the rest sees it: transactions that end in time, or a ``StoreUnavailable``.

SQLite (one host) is opened in WAL mode, so that readers and the one writer do not wait for each other; a write
transaction takes the writer's lock when it begins, because a transaction that starts reading and then writes cannot
wait its turn (SQLITE_BUSY at once, https://www.sqlite.org/lang_transaction.html). PostgreSQL is reached by psycopg 3,
with bounds for connecting, statements, locks and a peer that went silent.

What is in the tables is not known here; :mod:`config.store_schema` and its neighbours know.
"""

import asyncio
import os
import zlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import Engine, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from config import store_migrations
from config.errors import ConfigurationError
from config.store_errors import unavailable

_WRITE: Final = "mailroom_write"
_MANNERS: Final = 1.0
_WAITS: Final = 3
"""A whole transaction is given so many times the time of one wait."""

_LOCKS: Final = 0x6D61696C
"""The space of our advisory locks, "mail" as a number; of names with the same sum one waits without need."""
_LOCK: Final = text("SELECT pg_advisory_xact_lock(CAST(:space AS integer), CAST(:key AS integer))")
_SQLITE_CLOCK: Final = "SELECT strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')"


class Store:
    """One pool of connections to one database; safe to use from many tasks of one event loop."""

    def __init__(self, engine: AsyncEngine, *, deadline: float) -> None:
        self._readers = engine
        # SQLite's listener tells the two apart by this option; they share one pool.
        self._writers = engine.execution_options(**{_WRITE: True})
        self._deadline = deadline
        # Those who find SQLite's lock taken look again after pauses that grow, so one of many may wait very long.
        self._turn: AbstractAsyncContextManager[None] = (
            asyncio.Lock() if engine.dialect.name == "sqlite" else nullcontext()
        )

    @classmethod
    async def open(cls, url: str, *, timeout: float = 5.0, pool_size: int = 5) -> Self:
        """Opens a database that has the schema of this version; an SQLite file is made and upgraded if need be.

        ``timeout`` (seconds) bounds each wait: for a connection, a lock, a statement. A whole transaction is given
        three times that.

        Raises:
            StoreUnavailable: it cannot be reached.
            SchemaOutdated: its schema is older (PostgreSQL) or newer than this version of the code.
            ConfigurationError: the URL is not one of a supported database.
        """
        target = _parsed(url)
        if target.get_backend_name() == "sqlite":
            # SQLite would make the file by the umask alone; it is for its owner only.
            _try_file(target, os.O_CREAT)
            await asyncio.to_thread(store_migrations.upgrade, url)
        return await cls._checked(_engine(target, timeout, pool_size, read_only=False), timeout)

    @classmethod
    async def look(cls, url: str, *, timeout: float = 5.0) -> Self:
        """Opens a database like :meth:`open` and changes nothing in it: an SQLite file is neither made nor upgraded.

        Only reading is for such a store; on SQLite a write fails. Raises like :meth:`open`.
        """
        target = _parsed(url)
        if target.get_backend_name() == "sqlite":
            _try_file(target)
        return await cls._checked(_engine(target, timeout, 1, read_only=True), timeout)

    @classmethod
    async def _checked(cls, engine: AsyncEngine, timeout: float) -> Self:
        store = cls(engine, deadline=_WAITS * timeout)
        try:
            await store.check_schema()
        except BaseException:
            await store.close()
            raise
        return store

    async def close(self) -> None:
        """Closes all connections; idempotent."""
        await self._readers.dispose()

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._readers.dialect.name

    @property
    def deadline(self) -> float:
        """Seconds that a whole transaction is given."""
        return self._deadline

    @property
    def writers_turn(self) -> AbstractAsyncContextManager[None]:
        """What a writer beside this pool holds meanwhile: on SQLite the writers of one process go one after another."""
        return self._turn

    def blocking_engine(self, options: str = "") -> Engine:
        """An engine for a thread of its own, with the same address and bounds; it keeps no connection.

        ``options`` are more settings of a PostgreSQL session, as ``-c name=value``.
        """
        return store_migrations.blocking_engine(self._readers.url, self._deadline / _WAITS, _begin_sqlite, options)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A transaction for reading; see :meth:`write`."""
        async with self._transaction(self._readers, nullcontext()) as connection:
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction, committed at the end of the block and rolled back by any exception in it.

        Raises:
            StoreUnavailable: for whatever the database or its driver does, at the latest at the deadline. Whether a
                commit that was under way took place is then not known.
        """
        async with self._transaction(self._writers, self._turn) as connection:
            yield connection

    @asynccontextmanager
    async def write_alone(self, *names: str) -> AsyncIterator[AsyncConnection]:
        """A transaction like :meth:`write` that runs beside no other one, of any process, with one of these names.

        SQLite has one writer anyway. On PostgreSQL every statement in it sees what the ones before it committed.
        """
        async with self.write() as connection:
            if self.dialect == "postgresql":
                # In one order everywhere, else two could wait for each other.
                for key in sorted({zlib.crc32(name.encode()) - 2**31 for name in names}):
                    await connection.execute(_LOCK, {"space": _LOCKS, "key": key})
            yield connection

    @asynccontextmanager
    async def _transaction(
        self, engine: AsyncEngine, turn: AbstractAsyncContextManager[None]
    ) -> AsyncIterator[AsyncConnection]:
        try:
            # Cancelled once, psycopg asks a silent server for up to ten seconds to stop; cancelled again, it hangs up.
            async with (
                asyncio.timeout(self._deadline + _MANNERS),
                asyncio.timeout(self._deadline),
                turn,
                engine.begin() as connection,
            ):
                yield connection
        except (SQLAlchemyError, OSError) as error:  # OSError covers TimeoutError
            raise unavailable(self._readers.url, error) from error

    async def ping(self) -> None:
        """Asks the database for nothing; raises :class:`StoreUnavailable` when it does not answer."""
        async with self.read() as connection:
            await connection.execute(text("SELECT 1"))

    async def clock(self) -> datetime:
        """The time by the database's clock."""
        async with self.read() as connection:
            return await clock_of(connection)

    async def check_schema(self) -> None:
        """Compares the schema with the one this code was written for.

        Raises:
            SchemaOutdated: they differ.
            StoreUnavailable: it could not be asked.
        """
        async with self.read() as connection:
            found = await connection.run_sync(store_migrations.current)
        store_migrations.compare(found)


async def clock_of(connection: AsyncConnection) -> datetime:
    """The time by the clock of the database, one for all replicas; it goes on within a transaction."""
    query = "SELECT clock_timestamp()" if connection.dialect.name == "postgresql" else _SQLITE_CLOCK
    found = await connection.scalar(text(query))
    return found if isinstance(found, datetime) else datetime.fromisoformat(str(found))


def sqlite_file(url: str) -> Path | None:
    """The file an SQLite URL names, ``None`` for another database; raises like ``Store.open``."""
    target = _parsed(url)
    return Path(target.database or "") if target.get_backend_name() == "sqlite" else None


def _parsed(url: str) -> URL:
    try:
        target = make_url(url)
    except ArgumentError:
        target = None
    if target is None or target.drivername not in ("sqlite+aiosqlite", "postgresql+psycopg"):
        # Without the cause: it repeats the URL.
        raise ConfigurationError(["MAILROOM_DATABASE_URL: is not sqlite+aiosqlite:///file or postgresql+psycopg://…"])
    return target


def _try_file(target: URL, flags: int = 0) -> None:
    """Opens and closes the database file, because the system tells what is wrong with it and SQLite does not."""
    try:
        os.close(os.open(Path(target.database or ""), flags | os.O_RDWR, 0o600))
    except OSError as error:
        raise unavailable(target, error) from error


def _engine(target: URL, timeout: float, pool_size: int, *, read_only: bool) -> AsyncEngine:
    options: dict[str, Any] = {
        # The parameters of a failed statement would be in the error's text.
        "hide_parameters": True,
        "pool_timeout": timeout,
        "pool_size": pool_size,
        "max_overflow": 0,
    }
    if target.get_backend_name() == "sqlite":
        engine = create_async_engine(target, connect_args={"timeout": timeout}, **options)
        store_migrations.prepare_sqlite(engine.sync_engine, timeout, begin=_begin_sqlite, read_only=read_only)
        return engine
    arguments = store_migrations.postgresql_arguments(timeout)
    return create_async_engine(target, connect_args=arguments, pool_pre_ping=True, pool_recycle=1800, **options)


def _begin_sqlite(options: dict[str, Any]) -> str:
    return "BEGIN IMMEDIATE" if options.get(_WRITE) else "BEGIN"
