"""Fixtures for tests of the account of events, on SQLite and on PostgreSQL; the tests of a file share its databases."""

import pytest

from config import store_migrations
from config.testing import sqlite_url
from tests.integration.accounts import change


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_url(request, tmp_path_factory):
    """A database for the tests of one file."""
    if request.param == "sqlite":
        url = sqlite_url(tmp_path_factory.mktemp("account"))
        store_migrations.upgrade(url)
        yield url
    else:
        server = request.getfixturevalue("postgres")
        name = server.create_database()
        store_migrations.upgrade(server.url(name))
        yield server.url(name)
        server.drop_database(name)


@pytest.fixture
def account_url(shared_url):
    """The database, with nothing in the account."""
    for table in ("ledger", "lanes"):
        change(shared_url, f"DELETE FROM {table}")
    return shared_url


@pytest.fixture
def server_url(postgres):
    """A database on a server that the test may stop, with nothing in the account."""
    name = postgres.create_database()
    store_migrations.upgrade(postgres.url(name))
    yield postgres.url(name)
    postgres.drop_database(name)
