"""The table of open breakers, on both databases: one probe for each, whoever asks, and whoever dies."""

import asyncio
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text, update

from config.errors import StoreUnavailable
from config.store import Store, clock_of
from config.store_breakers import ACCOUNT, ENDPOINT, BreakerRows, key_of
from config.store_schema_ledger import breakers as table
from deploy.local.places import CLONE
from tests.claiming import KEY
from tests.waiting import eventually

pytest_plugins = ("tests.fixtures_store",)


async def moved(store, seconds):
    """Moves the time of every row, as the database's clock sees it."""
    async with store.write() as connection:
        now = await clock_of(connection)
        await connection.execute(update(table).values(retry_at=now + timedelta(seconds=seconds)))


async def test_a_breaker_is_open_for_all_until_somebody_closes_it(store):
    rows = BreakerRows(store)
    opened = await rows.open(KEY, "connect_failed", 15.0, 5)
    assert (opened.key, opened.reason, opened.pause, opened.failures) == (KEY, "connect_failed", 15.0, 5)
    assert 14.0 < opened.remaining <= 15.0
    again = await rows.open(KEY, "reply_timeout", 900.0, 3)
    assert (again.reason, again.pause, again.opened_at) == ("connect_failed", 15.0, opened.opened_at)
    assert [row.key for row in await rows.all()] == [KEY]
    await rows.close(KEY)
    await rows.close(KEY)
    assert await rows.all() == ()


async def test_a_database_that_answers_and_takes_nothing_is_told_from_a_good_one(store, store_url):
    await BreakerRows(store).prove_writable("one")
    assert await BreakerRows(store).all() == ()
    if store.dialect == "postgresql":
        async with store.write() as connection:
            name = await connection.scalar(text("SELECT current_database()"))
            await connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
    standby = await Store.look(store_url)
    assert await BreakerRows(standby).all() == ()
    with pytest.raises(StoreUnavailable):
        await BreakerRows(standby).prove_writable("one")
    await standby.close()


async def test_a_probe_is_taken_when_it_is_due_and_by_one_only(store):
    rows = BreakerRows(store)
    assert not await rows.claim(KEY, "one", 60.0), "nothing is open"
    await rows.open(KEY, "connect_failed", 15.0, 5)
    assert not await rows.claim(KEY, "one", 60.0), "it is not due"
    await moved(store, -1.0)
    assert await rows.claim(KEY, "one", 60.0)
    assert not await rows.claim(KEY, "one", 60.0)
    assert not await rows.claim(KEY, "two", 60.0)
    (row,) = await rows.all()
    assert row.claimed_by == "one"
    assert 59.0 < row.remaining <= 60.0


async def test_only_whoever_has_the_probe_puts_the_next_one_off(store):
    rows = BreakerRows(store)
    await rows.open(KEY, "connect_failed", 15.0, 5)
    await moved(store, -1.0)
    await rows.claim(KEY, "one", 60.0)
    assert not await rows.postpone(KEY, "two", 900.0, 900.0, 9)
    assert await rows.postpone(KEY, "one", 30.0, 30.0, 6)
    assert not await rows.postpone(KEY, "one", 900.0, 900.0, 9), "it has ended already"
    (row,) = await rows.all()
    assert (row.pause, row.failures, row.claimed_by) == (30.0, 6, None)
    assert 29.0 < row.remaining <= 30.0


async def test_the_claim_of_a_process_that_died_runs_out(store):
    rows = BreakerRows(store)
    await rows.open(KEY, "connect_failed", 15.0, 5)
    await moved(store, -1.0)
    assert await rows.claim(KEY, "dead", 60.0)
    await moved(store, -1.0)
    assert await rows.claim(KEY, "alive", 60.0)
    assert not await rows.postpone(KEY, "dead", 30.0, 30.0, 6), "it came back from a long sleep"


async def test_a_clock_that_was_put_back_keeps_nothing_shut(store):
    rows = BreakerRows(store)
    await rows.open(KEY, "connect_failed", 15.0, 5)
    await moved(store, 24 * 3600.0)
    (row,) = await rows.all()
    assert row.remaining == 0.0
    assert await rows.claim(KEY, "one", 60.0)


async def test_an_organization_is_told_what_holds_its_own_mail(store):
    rows = BreakerRows(store)
    server = key_of(ENDPOINT, f"{'long.' * 50}example:587")
    for key in (server, KEY, key_of(ACCOUNT, "globex"), key_of(ENDPOINT, "mail.example:25")):
        await rows.open(key, "connect_failed", 15.0, 5)
    found = await rows.of("acme", server.removeprefix("endpoint:"))
    assert [row.key for row in found] == [KEY, server]
    assert [row.key for row in await rows.of("acme", None)] == [KEY]
    assert await rows.of("initech", "mail.initech.example:587") == ()


async def test_what_nobody_comes_to_probe_is_forgotten(store):
    rows = BreakerRows(store)
    other = key_of(ACCOUNT, "globex")
    await rows.open(KEY, "connect_failed", 15.0, 5)
    await moved(store, -23 * 3600.0)
    await rows.open(other, "connect_failed", 15.0, 5)
    assert {row.key for row in await rows.all()} == {KEY, other}
    await moved(store, -25 * 3600.0)
    await rows.open(other, "connect_failed", 15.0, 5)
    assert [row.key for row in await rows.all()] == [other]


async def test_of_many_tasks_exactly_one_takes_each_probe(store):
    rows = BreakerRows(store)
    await rows.open(KEY, "connect_failed", 15.0, 5)
    for turn in range(5):
        await moved(store, -1.0)
        taken = await asyncio.gather(*(rows.claim(KEY, f"{turn}/{number}", 60.0) for number in range(20)))
        assert sum(taken) == 1


async def test_of_many_processes_exactly_one_takes_each_probe_also_when_one_is_killed(store, store_url):
    rows = BreakerRows(store)
    await rows.open(KEY, "connect_failed", 15.0, 5)
    async with AsyncExitStack() as stack:
        processes = [await stack.enter_async_context(_process(store_url)) for _ in range(2)]
        for process in processes:
            assert await process.stdout.readline() == b"ready\n"
        holders: list[Any] = []
        for turn in range(6):
            if turn == 4:
                # Whoever has the probe now is killed with it in hand.
                next(one for one in processes if str(one.pid) == holders[-1].partition("/")[0]).kill()
            await moved(store, -1.0)
            holders.append(await eventually(lambda: _other_holder(rows, holders)))
        await rows.close(KEY)
        outputs = [(await process.communicate())[0] for process in processes]
    assert sum(output.count(b"probe") for output in outputs) == 6
    assert len(set(holders)) == 6


async def _other_holder(rows, holders):
    (row,) = await rows.all()
    return row.claimed_by if row.claimed_by not in [None, *holders] else None


@asynccontextmanager
async def _process(url):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.claiming", url, stdout=asyncio.subprocess.PIPE, cwd=CLONE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
