"""The private PostgreSQL that store tests run on."""

import psycopg
import psycopg.errors
import pytest

from deploy.local.postgres import PrivatePostgres


def _connect(url: str) -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(url.replace("+psycopg", ""), connect_timeout=5)


@pytest.mark.parametrize("turn", [1, 2])
def test_every_test_gets_an_empty_database(postgres_url: str, turn: int) -> None:
    """A table that one made is not there for the next."""
    with _connect(postgres_url) as connection:
        connection.execute("CREATE TABLE only_here (turn int)")
        connection.execute("INSERT INTO only_here VALUES (%s)", (turn,))
        assert connection.execute("SELECT turn FROM only_here").fetchall() == [(turn,)]


def test_it_asks_for_the_password(postgres_url: str) -> None:
    """Other users of the machine do not get in."""
    before, _, after = postgres_url.partition("://mailroom:")
    wrong = f"{before}://mailroom:wrong@{after.partition('@')[2]}"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        _connect(wrong)


def test_data_outlive_a_stop(postgres: PrivatePostgres, postgres_url: str) -> None:
    """Stopped, it refuses connections; started again, everything is there at the same address."""
    with _connect(postgres_url) as connection:
        connection.execute("CREATE TABLE kept (id int)")
    postgres.stop()
    with pytest.raises(psycopg.OperationalError):
        _connect(postgres_url)
    postgres.start()
    with _connect(postgres_url) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
