"""Fixtures for tests that use a real PostgreSQL."""

from collections.abc import Iterator

import pytest

from deploy.local.installation import ServerMissing
from deploy.local.postgres import PrivatePostgres
from tests.environment import absent


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivatePostgres]:
    """One server for the session; stop it only in a test that starts it again."""
    try:
        server = PrivatePostgres()
    except ServerMissing as error:
        absent(str(error))
    with server:
        yield server


@pytest.fixture
def postgres_url(postgres: PrivatePostgres) -> Iterator[str]:
    """The address of a fresh empty database, which is dropped afterwards."""
    name = postgres.create_database()
    yield postgres.url(name)
    postgres.drop_database(name)
