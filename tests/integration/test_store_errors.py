"""A database's failure in words: what and where, and neither user, password nor a driver's text."""

import os
import socket

import pytest
from sqlalchemy import make_url

from config import store_migrations
from config.errors import StoreUnavailable
from config.store import Store, sqlite_file
from config.store_errors import unavailable
from config.testing import sqlite_url


async def told(url, **options):
    with pytest.raises(StoreUnavailable) as caught:
        await Store.open(url, **options)
    assert "canary" not in str(caught.value)
    return str(caught.value)


def reach(url, **changes):
    return make_url(url).set(**changes).render_as_string(hide_password=False)


async def test_a_server_that_is_not_there_is_named():
    found = await told("postgresql+psycopg://canary:canary@127.0.0.1:1/x", timeout=2)
    assert found == "PostgreSQL at 127.0.0.1:1, database x: cannot be reached"
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1, database x: cannot be reached"):
        store_migrations.upgrade("postgresql+psycopg://canary:canary@127.0.0.1:1/x")


async def test_a_server_that_says_nothing_did_not_answer_in_time():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        found = await told(f"postgresql+psycopg://canary:canary@127.0.0.1:{port}/x", timeout=1)
    assert found == f"PostgreSQL at 127.0.0.1:{port}, database x: did not answer in time"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"password": "canary"}, "refused the user or password"),
        ({"username": "canary"}, "refused the user or password"),
        ({"database": "missing"}, "has no such database"),
    ],
)
async def test_what_postgresql_refuses_is_said(postgres_url, changes, problem):
    url = reach(postgres_url, **changes)
    assert (
        await told(url) == f"PostgreSQL at 127.0.0.1:{make_url(url).port}, database {make_url(url).database}: {problem}"
    )


class Failed(Exception):
    """Stands for a driver's error with an SQLSTATE."""

    def __init__(self, sqlstate):
        self.sqlstate = sqlstate
        super().__init__("canary")


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        ("28P01", "refused the user or password (28P01)"),
        ("3D000", "has no such database (3D000)"),
        ("57014", "did not answer in time (57014)"),
        ("57P01", "is starting or stopping (57P01)"),
        ("23505", "a statement failed (Failed 23505)"),
    ],
)
def test_an_sqlstate_decides_what_it_is_called(state, problem):
    error = unavailable(make_url("postgresql+psycopg://canary:canary@[::1]/x"), Failed(state))
    assert str(error) == f"PostgreSQL at [::1]:5432, database x: {problem}"


def test_a_password_that_spilled_into_the_host_is_not_shown():
    error = unavailable(make_url("postgresql+psycopg://u:p@can@ary/db@host/x"), Failed("08006"))
    assert "ary" not in str(error).replace("MAILROOM_DATABASE_URL", "")
    assert "%40" in str(error)


async def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "mailroom.db").write_bytes(b"something else entirely" * 100)
    assert await told(sqlite_url(tmp_path)) == f"SQLite file {tmp_path}/mailroom.db: is not an SQLite database"


async def test_a_file_that_cannot_be_opened_tells_why(tmp_path):
    missing = sqlite_url(tmp_path / "missing")
    expected = f"SQLite file {tmp_path}/missing/mailroom.db: cannot be opened: {os.strerror(2)}"
    assert await told(missing) == expected


async def test_a_look_changes_nothing(tmp_path):
    with pytest.raises(StoreUnavailable, match=f"cannot be opened: {os.strerror(2)}"):
        await Store.look(sqlite_url(tmp_path))
    assert list(tmp_path.iterdir()) == []
    store_migrations.upgrade(sqlite_url(tmp_path))
    store = await Store.look(sqlite_url(tmp_path))
    with pytest.raises(StoreUnavailable, match="cannot be written"):
        async with store.write() as connection:
            await connection.exec_driver_sql("DELETE FROM settings_version")
    await store.close()


def test_only_sqlite_has_a_file(tmp_path):
    assert sqlite_file(sqlite_url(tmp_path)) == tmp_path / "mailroom.db"
    assert sqlite_file("postgresql+psycopg://h/x") is None
