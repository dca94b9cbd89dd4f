"""The account of events while its database fails: no record is lost, no start is forgotten, nobody waits for ever."""

import asyncio
import os
import signal
from contextlib import closing

import pytest

from config.errors import StoreUnavailable
from config.store import Store
from consumer.ledger import Record, State
from tests.integration.accounts import Faults, account, change, plain, rows
from tests.waiting import eventually

pytest_plugins = ("tests.fixtures_account",)

COPY, OTHER = b"the original", b"another copy"
DONE = Record(State.DONE)


@pytest.fixture
def faults():
    return Faults()


@pytest.fixture
async def ledger(account_url, faults):
    async with account(account_url, faults=faults) as made:
        yield made


@pytest.fixture
def key(ledger):
    return ledger.key("acme", "urn:shop", "event 1")


async def in_a_commit(ledger, faults, work):
    """A task of ``work`` whose transaction is about to start and stands still."""
    faults.gate.clear()
    faults.waiting.clear()
    task = asyncio.create_task(work)
    await eventually(faults.waiting.is_set, what="the transaction is under way")
    return task


async def test_a_start_whose_answer_is_lost_is_this_ones_all_the_same(ledger, faults, key, account_url):
    faults.lose = 2
    standing = await ledger.begin(key, COPY, resend=False)
    assert (standing.state, standing.began) == (State.NEW, True)
    assert faults.lost == 2
    assert await ledger.end(key, COPY, DONE) is State.DONE
    assert rows(account_url, "SELECT state FROM ledger") == [(12,)]


@pytest.mark.parametrize(
    "record", [DONE, Record(State.NEW), Record(State.OWED, (2,)), Record(State.DEAD, reason="expired")]
)
async def test_an_end_whose_answer_is_lost_is_recorded_once(ledger, faults, key, record):
    await ledger.begin(key, COPY, resend=False)
    faults.lose = 1
    assert await ledger.end(key, COPY, record) is record.state
    again = await ledger.begin(key, OTHER, resend=False)
    assert (again.state, again.owed) == (record.state, record.owed)


async def test_lost_answers_among_many_events(ledger, faults):
    keys = [ledger.key("acme", "urn:shop", str(number)) for number in range(200)]
    faults.lose = 3
    begun = await asyncio.gather(*(ledger.begin(each, COPY, resend=False) for each in keys))
    assert all(standing.began for standing in begun)
    faults.lose = 3
    assert set(await asyncio.gather(*(ledger.end(each, COPY, DONE) for each in keys))) == {State.DONE}


async def test_a_start_that_is_cancelled_in_the_queue_never_happens(ledger, faults, key, account_url):
    first = await in_a_commit(ledger, faults, ledger.begin(ledger.key("acme", "urn:shop", "0"), COPY, resend=False))
    second = asyncio.create_task(ledger.begin(key, COPY, resend=False))
    await asyncio.sleep(0)
    second.cancel()
    faults.gate.set()
    await first
    assert await ledger.drain(20) == 0
    assert [len(batch.starts) for batch in faults.batches] == [1]


async def test_a_start_that_is_cancelled_while_it_is_written_is_taken_back(ledger, faults, key, account_url):
    task = await in_a_commit(ledger, faults, ledger.begin(key, COPY, resend=False))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    faults.gate.set()
    assert await ledger.drain(20) == 0
    assert rows(account_url) == []


async def test_a_start_that_is_cancelled_after_a_lost_answer_is_taken_back(ledger, faults, key, account_url):
    faults.lose = 1
    task = await in_a_commit(ledger, faults, ledger.begin(key, COPY, resend=False))
    faults.gate.set()
    await eventually(lambda: faults.lost == 1)
    task.cancel()
    assert await ledger.drain(20) == 0
    assert rows(account_url) == []


async def test_a_resend_that_is_cancelled_leaves_the_outcome_unknown(ledger, faults, key, account_url):
    await ledger.begin(key, COPY, resend=False)
    await ledger.end(key, COPY, Record(State.UNKNOWN))
    task = await in_a_commit(ledger, faults, ledger.begin(key, OTHER, resend=True))
    task.cancel()
    faults.gate.set()
    assert await ledger.drain(20) == 0
    assert (await ledger.begin(key, OTHER, resend=False)).state is State.UNKNOWN


async def test_an_end_is_recorded_although_its_caller_was_cancelled(ledger, faults, key):
    await ledger.begin(key, COPY, resend=False)
    faults.lose = 1
    task = await in_a_commit(ledger, faults, ledger.end(key, COPY, DONE))
    task.cancel()
    faults.gate.set()
    assert await ledger.drain(20) == 0
    assert (await ledger.begin(key, OTHER, resend=False)).state is State.DONE


async def test_a_question_is_given_up_in_time_and_its_start_taken_back(account_url, faults):
    async with account(account_url, faults=faults, patience=0.2) as ledger:
        key = ledger.key("acme", "urn:shop", "event 1")
        tasks = [await in_a_commit(ledger, faults, ledger.begin(key, COPY, resend=False))]
        tasks += [asyncio.create_task(ledger.begin(b"%016d" % n, COPY, resend=False)) for n in range(5)]
        for found in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(found, StoreUnavailable)
        end = asyncio.create_task(ledger.end(key, COPY, DONE))
        faults.gate.set()
        assert await end is State.DONE
        assert await ledger.drain(20) == 0
        assert rows(account_url, "SELECT state FROM ledger") == [(12,)]


async def test_whoever_holds_a_lock_is_waited_for(ledger, key, account_url):
    """Another process writes for long: PostgreSQL's row, or all of SQLite's file."""
    await ledger.begin(key, COPY, resend=False)
    with closing(plain(account_url)) as other:
        other.execute("BEGIN IMMEDIATE" if "sqlite" in account_url else "BEGIN")
        other.execute("UPDATE ledger SET reason = 'x'")
        end = asyncio.create_task(ledger.end(key, COPY, DONE))
        unhurried = [asyncio.create_task(ledger.lane("acme"))]
        assert not (await asyncio.wait([end], timeout=0.3))[0]
        other.execute("ROLLBACK")
        assert await end is State.DONE
        await asyncio.gather(*unhurried)


async def test_a_lock_that_is_never_given_back_costs_a_question_its_patience(account_url):
    async with account(account_url, timeout=0.5, patience=1.0) as ledger:
        key = ledger.key("acme", "urn:shop", "event 1")
        await ledger.begin(key, COPY, resend=False)
        with closing(plain(account_url)) as other:
            other.execute("BEGIN IMMEDIATE" if "sqlite" in account_url else "BEGIN")
            other.execute("UPDATE ledger SET reason = 'x'")
            end = asyncio.create_task(ledger.end(key, COPY, DONE))
            with pytest.raises(StoreUnavailable):
                # SQLite's file is locked as a whole; on PostgreSQL it is in the batch behind the locked row.
                await ledger.begin(key, OTHER, resend=False)
            other.execute("ROLLBACK")
        assert await end is State.DONE
        assert (await ledger.begin(key, OTHER, resend=False)).state is State.DONE


async def test_writers_of_the_same_process_have_their_turn(account_url, ledger):
    """On SQLite the account and the other writers of a process wait in one line, so none is starved."""
    store = await Store.open(account_url)
    try:

        async def busy():
            for number in range(100):
                await ledger.begin(b"%016d" % number, COPY, resend=False)

        async def write():
            for _ in range(20):
                async with store.write():
                    await asyncio.sleep(0)

        await asyncio.gather(busy(), write())
    finally:
        await store.close()


async def test_a_server_that_was_away_gets_what_it_missed(postgres, server_url):
    async with account(server_url, timeout=1.0, patience=0.5) as ledger:
        key = ledger.key("acme", "urn:shop", "event 1")
        await ledger.begin(key, COPY, resend=False)
        postgres.stop()
        try:
            end = asyncio.create_task(ledger.end(key, COPY, DONE))
            lost = asyncio.create_task(ledger.end(b"x" * 16, COPY, Record(State.DEAD, reason="expired")))
            for question in (ledger.begin(key, OTHER, resend=False), ledger.lane("acme")):
                with pytest.raises(StoreUnavailable):
                    await question
            lost.cancel()
        finally:
            postgres.start()
        assert await end is State.DONE
        assert await ledger.drain(20) == 0
    assert rows(server_url, "SELECT count(*) FROM ledger WHERE state > 11") == [(2,)]


async def test_a_server_that_stands_still_is_left_in_the_end(server_url):
    """Its kernel still acknowledges what it is sent, so only a clock can tell."""
    async with account(server_url, timeout=0.5, patience=0.5) as ledger:
        key = ledger.key("acme", "urn:shop", "event 1")
        await ledger.begin(key, COPY, resend=False)
        backend = rows(server_url, "SELECT pid FROM pg_stat_activity WHERE query LIKE '%starts AS%' AND state = 'idle'")
        os.kill(backend[0][0], signal.SIGSTOP)
        try:
            # The connection is given up after three waits, and another one does what this one did not.
            assert await ledger.end(key, COPY, DONE) is State.DONE
        finally:
            os.kill(backend[0][0], signal.SIGCONT)


async def test_a_connection_that_was_cut_is_made_again(server_url):
    async with account(server_url) as ledger:
        key = ledger.key("acme", "urn:shop", "event 1")
        await ledger.begin(key, COPY, resend=False)
        others = "pid <> pg_backend_pid() AND datname = current_database()"
        change(server_url, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
        assert await ledger.end(key, COPY, DONE) is State.DONE
