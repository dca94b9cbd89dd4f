"""Fixtures for tests of breakers in one process."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from config import store_migrations
from config.store import Store
from config.testing import sqlite_url
from tests.breaking import Clock, Replica


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the schema of this version."""
    folder = tmp_path_factory.mktemp("empty")
    store_migrations.upgrade(sqlite_url(folder))
    return folder / "mailroom.db"


@pytest.fixture
async def one(empty_database: Path, tmp_path: Path) -> AsyncIterator[Replica]:
    """One replica."""
    shutil.copy(empty_database, tmp_path / "mailroom.db")
    store = await Store.open(sqlite_url(tmp_path))
    replica = Replica(store, Clock(), "one")
    yield replica
    await replica.breakers.aclose()
    await store.close()
