"""Fixtures for tests of the store: each runs on SQLite and on PostgreSQL."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from config import store_migrations
from config.secrets import SecretBox
from config.store import Store
from config.testing import KEY, sqlite_url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without tables."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path)
    else:
        yield request.getfixturevalue("postgres_url")


@pytest.fixture
def store_url(empty_url: str) -> str:
    """The URL of a database with the schema of this version."""
    store_migrations.upgrade(empty_url)
    return empty_url


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
