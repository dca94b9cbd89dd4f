"""The store: private, bounded in time, and every failure of the database is one kind of error."""

import asyncio
import socket
import sqlite3
import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import IntegrityError

from config import store_migrations
from config.errors import ConfigurationError, StoreUnavailable
from config.store import Store
from config.store_columns import Instant
from config.store_quarantine import QuarantineStore
from config.store_schema import quarantine, settings_version
from config.testing import sqlite_url
from tests.fakes.wire import Wire

pytest_plugins = ("tests.fixtures_store",)

NOW = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)


async def one(store, statement):
    async with store.read() as connection:
        return await connection.scalar(text(statement))


async def test_sqlite_is_set_up_for_several_processes(tmp_path):
    store = await Store.open(sqlite_url(tmp_path))
    assert await one(store, "PRAGMA journal_mode") == "wal"
    assert await one(store, "PRAGMA busy_timeout") == 5000
    assert await one(store, "PRAGMA synchronous") == 1
    assert await one(store, "PRAGMA foreign_keys") == 1
    await store.close()


async def test_the_database_file_is_for_its_owner_only(tmp_path):
    store = await Store.open(sqlite_url(tmp_path))
    async with store.write() as connection:
        await connection.execute(update(settings_version).values(version=1))
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes["mailroom.db"] == 0o600
    assert set(modes.values()) == {0o600}
    await store.close()


async def test_a_write_is_kept_and_an_exception_takes_it_back(store):
    async with store.write() as connection:
        await connection.execute(update(settings_version).values(version=5))

    async def spoilt():
        async with store.write() as connection:
            await connection.execute(update(settings_version).values(version=6))
            raise KeyError

    with pytest.raises(KeyError):
        await spoilt()
    assert await one(store, "SELECT version FROM settings_version") == 5


async def test_many_writers_at_once_wait_for_each_other(store):
    async def add():
        async with store.write() as connection:
            seen = await connection.scalar(select(settings_version.c.version).with_for_update())
            await asyncio.sleep(0)
            await connection.execute(update(settings_version).values(version=seen + 1))

    await asyncio.gather(*(add() for _ in range(40)))
    assert await one(store, "SELECT version FROM settings_version") == 40


async def test_a_time_comes_back_as_it_was_with_its_zone(store):
    async with store.write() as connection:
        await connection.execute(insert(quarantine).values(key=b"k", tries=1, at=NOW))
    async with store.read() as connection:
        assert await connection.scalar(select(quarantine.c.at)) == NOW
        found = await connection.scalar(select(quarantine.c.at))
    assert found.tzinfo is UTC


async def test_a_time_without_zone_is_a_mistake(store):
    with pytest.raises(ValueError, match="time zone"):
        Instant().process_bind_param(datetime(2026, 1, 1), sqlite.dialect())  # noqa: DTZ001 - what is tested


async def test_the_database_s_clock_is_about_ours(store):
    assert abs(await store.clock() - datetime.now(UTC)) < timedelta(seconds=5)


async def test_the_parameters_of_a_failed_statement_are_in_no_text_of_its_error(store):
    async def twice():
        async with store.write() as connection:
            for _ in range(2):
                await connection.execute(insert(quarantine).values(key=b"canary", tries=1, at=NOW))

    with pytest.raises(StoreUnavailable) as caught:
        await twice()
    assert isinstance(caught.value.__cause__, IntegrityError)
    assert "canary" not in str(caught.value) + str(caught.value.__cause__).replace("quarantine", "")
    assert "IntegrityError" in str(caught.value) or "UniqueViolation" in str(caught.value)


async def test_a_lock_that_is_held_ends_as_unavailable_in_time(store_url):
    holder = await Store.open(store_url)
    waiter = await Store.open(store_url, timeout=0.3)
    began = time.monotonic()
    async with holder.write() as connection:
        await connection.execute(update(settings_version).values(version=9))
        with pytest.raises(StoreUnavailable):
            async with waiter.write() as second:
                await second.execute(update(settings_version).values(version=1))
    assert time.monotonic() - began < 4
    async with waiter.write() as second:
        await second.execute(update(settings_version).values(version=settings_version.c.version + 1))
    assert await one(holder, "SELECT version FROM settings_version") == 10
    await waiter.close()
    await holder.close()


async def test_a_pool_that_is_used_up_ends_as_unavailable_in_time(store_url):
    store = await Store.open(store_url, timeout=0.3, pool_size=1)
    async with store.read():
        with pytest.raises(StoreUnavailable):
            await store.ping()
    await store.ping()
    await store.close()


async def test_a_file_that_is_no_database_is_unavailable(tmp_path):
    (tmp_path / "mailroom.db").write_bytes(b"something else entirely" * 100)
    with pytest.raises(StoreUnavailable):
        await Store.open(sqlite_url(tmp_path))


async def test_a_folder_that_is_not_there_is_unavailable_and_named(tmp_path):
    with pytest.raises(StoreUnavailable, match="missing"):
        await Store.open(sqlite_url(tmp_path / "missing"))


async def test_a_table_that_went_away_is_unavailable_and_not_empty(tmp_path):
    store = await Store.open(sqlite_url(tmp_path))
    with sqlite3.connect(tmp_path / "mailroom.db") as connection:
        connection.execute("DROP TABLE quarantine")
    connection.close()
    with pytest.raises(StoreUnavailable):
        await QuarantineStore(store).tries(b"k")
    await store.close()


async def test_a_server_that_is_not_there_is_unavailable_and_the_password_not_told():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(StoreUnavailable) as caught:
        await Store.open(f"postgresql+psycopg://mailroom:canary@127.0.0.1:{port}/mailroom", timeout=2)
    assert "canary" not in str(caught.value) + str(caught.value.__cause__)


async def test_a_server_that_accepts_and_then_says_nothing_ends_in_time():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await Store.open(f"postgresql+psycopg://m:p@127.0.0.1:{listener.getsockname()[1]}/m", timeout=1)
        assert time.monotonic() - began < 8


async def test_a_statement_that_takes_too_long_is_ended_by_the_server(postgres_url):
    store_migrations.upgrade(postgres_url)
    store = await Store.open(postgres_url, timeout=0.3)
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match="57014"):
        await one(store, "SELECT pg_sleep(20)")
    assert time.monotonic() - began < 5
    await store.ping()
    await store.close()


async def test_a_server_gone_silent_ends_in_time_and_is_used_again_when_it_is_back(postgres, postgres_url):
    store_migrations.upgrade(postgres_url)
    async with Wire("127.0.0.1", postgres.port) as wire:
        store = await Store.open(postgres_url.replace(f":{postgres.port}/", f":{wire.port}/"), timeout=0.5)
        await store.ping()
        wire.freeze()
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await store.ping()
        assert time.monotonic() - began < 5
        wire.thaw()
        await store.ping()
        await store.close()


async def test_connections_that_the_server_ended_are_replaced(postgres, postgres_url):
    store_migrations.upgrade(postgres_url)
    store, other = await Store.open(postgres_url), await Store.open(postgres_url)
    await store.ping()
    await one(
        other,
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
        "AND datname = current_database()",
    )
    await store.ping()
    await store.close()
    await other.close()


@pytest.mark.parametrize("url", ["", "mysql://u:canary@h/d", "sqlite:///x", "canary", "postgresql://h/d"])
async def test_an_unsupported_database_is_refused_without_repeating_the_url(url):
    with pytest.raises(ConfigurationError) as caught:
        await Store.open(url)
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_a_cancelled_transaction_gives_its_connection_back(store_url):
    store = await Store.open(store_url, pool_size=1, timeout=1)
    entered = asyncio.Event()

    async def stuck():
        async with store.write():
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(stuck())
    await entered.wait()
    task.cancel()
    await asyncio.wait([task])
    async with store.write() as connection:
        await connection.execute(update(settings_version).values(version=2))
    await store.close()


async def test_starts_under_suspicion_are_counted_once_each_by_however_many_processes(store_url):
    first, second = await Store.open(store_url), await Store.open(store_url)
    marks = [QuarantineStore(first), QuarantineStore(second)]
    counted = await asyncio.gather(*(marks[turn % 2].start(b"event", NOW) for turn in range(20)))
    assert sorted(counted) == list(range(1, 21))
    assert await marks[0].tries(b"event") == 20
    assert await marks[0].tries(b"other") == 0
    await marks[1].clear(b"event")
    assert await marks[0].start(b"event", NOW) == 1
    await first.close()
    await second.close()


async def test_old_marks_are_pruned_and_young_ones_stay(store):
    marks = QuarantineStore(store)
    await marks.start(b"old", NOW - timedelta(days=8))
    await marks.start(b"young", NOW)
    assert await marks.prune(NOW - timedelta(days=7)) == 1
    assert (await marks.tries(b"old"), await marks.tries(b"young")) == (0, 1)
