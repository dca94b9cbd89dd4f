"""Fixtures for tests of the store: each runs on SQLite and on PostgreSQL."""

import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from config import store_migrations
from config.secrets import SecretBox
from config.store import Store
from config.testing import KEY, Stores, sqlite_url, stores_over
from deploy.local.postgres import PrivatePostgres
from tests.builders import NOON


class WallClock:
    """A clock with a date that only moves by hand."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **amount: float) -> None:
        """Moves on; ``amount`` as for :class:`datetime.timedelta`."""
        self.now += timedelta(**amount)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with the schema of this version, to be copied: migrations take longer than most tests."""
    folder = tmp_path_factory.mktemp("template")
    store_migrations.upgrade(sqlite_url(folder))
    return folder / "mailroom.db"


@pytest.fixture(scope="session")
def postgres_template(postgres: PrivatePostgres) -> str:
    """The name of such a database on the session's server."""
    name = postgres.create_database()
    store_migrations.upgrade(postgres.url(name))
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without tables."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path)
    else:
        yield request.getfixturevalue("postgres_url")


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with the schema of this version."""
    if request.param == "sqlite":
        shutil.copyfile(request.getfixturevalue("sqlite_template"), tmp_path / "mailroom.db")
        yield sqlite_url(tmp_path)
    else:
        server = request.getfixturevalue("postgres")
        name = server.create_database(like=request.getfixturevalue("postgres_template"))
        yield server.url(name)
        server.drop_database(name)


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """An open store, empty."""
    opened = await Store.open(store_url)
    yield opened
    await opened.close()


@pytest.fixture
def box() -> SecretBox:
    """A box with one fixed key."""
    return SecretBox([KEY])


@pytest.fixture
def wall_clock() -> WallClock:
    """The clock of ``stores``."""
    return WallClock()


@pytest.fixture
def stores(store: Store, wall_clock: WallClock) -> Stores:
    """Everything that is kept about organisations, as one replica has it."""
    return stores_over(store, now=wall_clock)


@pytest.fixture
async def others(store_url: str, wall_clock: WallClock) -> AsyncIterator[Stores]:
    """The same as another replica has it."""
    opened = await Store.open(store_url)
    yield stores_over(opened, now=wall_clock)
    await opened.close()
