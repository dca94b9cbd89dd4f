"""Moving a database from one schema to another: Alembic without an ini file, under one lock, in one transaction.

Both databases change their schema transactionally, so an upgrade is done wholly or not at all. The lock (PostgreSQL:
an advisory lock of the transaction, SQLite: the exclusive lock) is taken before the current revision is read, so of
several replicas that start together one upgrades and the others find nothing left to do.

All of it is blocking code for a thread of its own.
"""

import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from config.errors import SchemaOutdated
from config.store_errors import unavailable

_SCRIPTS: Final = Path(__file__).parent / "migrations"
_LOCK: Final = 0x6D61696C726F6F6D % 2**62
"""The advisory lock of Mailroom's migrations: "mailroom" as a number."""

_PATIENCE: Final = 60.0
"""Seconds to wait for another process's migration, and for each statement of one's own."""


def upgrade(url: str, revision: str = "head") -> str | None:
    """Brings the database to a revision; returns the one it had (``None``: it was empty).

    Raises:
        SchemaOutdated: the database is newer than this code.
        StoreUnavailable: it could not be reached or changed; it is then as it was.
    """
    return _move(url, lambda settings: command.upgrade(settings, revision))


def downgrade(url: str, revision: str) -> str | None:
    """Takes the database back to a revision (``base``: empty); returns the one it had. Raises like ``upgrade``."""
    return _move(url, lambda settings: command.downgrade(settings, revision))


def current(connection: Connection) -> str | None:
    """The revision the database has, ``None`` for none."""
    return MigrationContext.configure(connection).get_current_revision()


@cache
def head() -> str:
    """The revision this code was written for."""
    return str(_scripts().get_current_head())


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(_SCRIPTS))


def compare(found: str | None) -> None:
    """Returns if the revision is the one of this code.

    Raises:
        SchemaOutdated: it is another; the text says what to do.
    """
    if found == head():
        return
    if found is None or _known(found):
        have = f"has schema {found}" if found else "has no tables yet"
        raise SchemaOutdated(f"the database {have} and this version needs {head()}: run `mailroom database upgrade`")
    raise SchemaOutdated(
        f"the database has schema {found}, which is newer than this version knows ({head()}): run the version of "
        "Mailroom that upgraded it, or a later one",
        newer=True,
    )


def _known(revision: str) -> bool:
    try:
        return _scripts().get_revision(revision) is not None
    except CommandError:
        return False


def _move(url: str, step: Callable[[Config], None]) -> str | None:
    engine = _engine(url)
    try:
        with _connected(engine) as connection, connection.begin():
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            found = current(connection)
            if found is not None and not _known(found):
                compare(found)
            settings = Config(attributes={"connection": connection})
            settings.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
            step(settings)
        return found
    except (SQLAlchemyError, OSError) as error:
        raise unavailable(engine.url, error) from error
    finally:
        engine.dispose()


def _connected(engine: Engine) -> Connection:
    """A connection, waited for while other processes make the same fresh SQLite file.

    Its change to WAL does not wait its turn by itself: where several want it, all but one are "busy" at once.
    """
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return engine.connect()
        except OperationalError as error:
            if getattr(error.orig, "sqlite_errorname", "") != "SQLITE_BUSY" or time.monotonic() > until:
                raise
        time.sleep(0.01)


def _engine(url: str) -> Engine:
    return blocking_engine(make_url(url), _PATIENCE, lambda _: "BEGIN EXCLUSIVE")


def blocking_engine(target: URL, timeout: float, begin: Callable[[dict[str, Any]], str], options: str = "") -> Engine:
    """An engine for blocking code, without a pool; ``options`` are more settings of a PostgreSQL session."""
    if target.get_backend_name() == "sqlite":
        engine = create_engine(target.set(drivername="sqlite"), poolclass=NullPool, hide_parameters=True)
        prepare_sqlite(engine, timeout, begin=begin)
        return engine
    arguments = postgresql_arguments(timeout)
    arguments["options"] += f" {options}"
    return create_engine(target, poolclass=NullPool, hide_parameters=True, connect_args=arguments)


def prepare_sqlite(
    engine: Engine, timeout: float, *, begin: Callable[[dict[str, Any]], str], read_only: bool = False
) -> None:
    """Sets up every SQLite connection, and lets ``begin`` choose how a transaction starts by its execution options."""
    kind = ("query_only=ON",) if read_only else ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON")
    pragmas = (f"busy_timeout={timeout * 1000:.0f}", *kind)

    @event.listens_for(engine, "connect")
    def _made(connection: Any, _record: object) -> None:
        # The driver would begin transactions by itself, late and only for some statements.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin(dict(connection.get_execution_options())))


def postgresql_arguments(timeout: float) -> dict[str, Any]:
    """What libpq is told so that no wait is longer than about ``timeout`` seconds, even for a peer gone silent."""
    milliseconds = f"{timeout * 1000:.0f}"
    return {
        "connect_timeout": max(2, round(timeout)),
        "application_name": "mailroom",
        "options": f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds} "
        f"-c idle_in_transaction_session_timeout={milliseconds}",
        "tcp_user_timeout": milliseconds,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 2,
    }
