"""The account of events on both databases: what it answers, and what is in the rows."""

import asyncio

import pytest

from consumer.ledger import Record, Standing, State
from tests.integration.accounts import account, change, rows

pytest_plugins = ("tests.fixtures_account",)

COPY, OTHER = b"the original", b"another copy"
DONE, NEW = Record(State.DONE), Record(State.NEW)


@pytest.fixture
async def ledger(account_url):
    async with account(account_url) as made:
        yield made


@pytest.fixture
def key(ledger):
    return ledger.key("acme", "urn:shop", "event 1")


async def test_an_event_begins_once_and_is_done_once(ledger, key):
    assert await ledger.begin(key, COPY, resend=False) == Standing(State.NEW, began=True)
    running = await ledger.begin(key, OTHER, resend=True)
    assert (running.state, running.began, running.same_copy) == (State.STARTED, False, False)
    assert 0 <= running.age < 20
    assert await ledger.end(key, COPY, DONE) is State.DONE
    again = await ledger.begin(key, COPY, resend=False)
    assert (again.state, again.began, again.same_copy) == (State.DONE, False, True)
    assert not (await ledger.begin(key, OTHER, resend=False)).same_copy


async def test_keys_tell_organisations_sources_and_events_apart(ledger):
    parts = [("a", "b", "c"), ("ab", "", "c"), ("a", "bc", ""), ("b", "b", "c"), ("a", "b", "d")]
    keys = {ledger.key(*each) for each in parts}
    assert len(keys) == len(parts)
    assert {len(each) for each in keys} == {16}


async def test_when_nothing_came_of_a_start_the_event_is_new(ledger, key, account_url):
    await ledger.begin(key, COPY, resend=False)
    assert await ledger.end(key, COPY, NEW) is State.NEW
    assert rows(account_url) == []
    assert (await ledger.begin(key, COPY, resend=False)).began


async def test_what_is_owed_is_kept_through_starts_and_ends(ledger, key):
    await ledger.begin(key, COPY, resend=False)
    await ledger.end(key, COPY, Record(State.OWED, (1, 3)))
    begun = await ledger.begin(key, OTHER, resend=False)
    assert (begun.state, begun.began, begun.owed) == (State.OWED, True, (1, 3))
    found = await ledger.begin(key, COPY, resend=False)
    assert (found.state, found.began, found.owed) == (State.STARTED, False, (1, 3))
    await ledger.end(key, OTHER, NEW)
    assert (await ledger.begin(key, OTHER, resend=False)).owed == (1, 3)
    await ledger.end(key, OTHER, DONE)
    assert (await ledger.begin(key, OTHER, resend=False)).state is State.DONE


async def test_of_an_unknown_outcome_only_the_resend_begins(ledger, key):
    await ledger.begin(key, COPY, resend=False)
    await ledger.end(key, COPY, Record(State.UNKNOWN))
    waiting = await ledger.begin(key, COPY, resend=False)
    assert (waiting.state, waiting.began, waiting.same_copy) == (State.UNKNOWN, False, True)
    resent = await ledger.begin(key, OTHER, resend=True)
    assert (resent.state, resent.began) == (State.UNKNOWN, True)
    assert await ledger.end(key, OTHER, NEW) is State.UNKNOWN
    assert (await ledger.begin(key, OTHER, resend=True)).began


async def test_a_dead_letter_keeps_its_reason_and_its_copy(ledger, key):
    await ledger.begin(key, COPY, resend=False)
    await ledger.end(key, COPY, Record(State.DEAD, reason="message_too_large"))
    standing = await ledger.begin(key, COPY, resend=True)
    assert (standing.state, standing.reason, standing.same_copy) == (State.DEAD, "message_too_large", True)


async def test_branches_are_closed_by_the_start_that_owes_them(ledger, key):
    await ledger.begin(key, COPY, resend=False)
    await ledger.end(key, COPY, Record(State.OWED, (0, 1), "no_such_mailbox"))
    assert await ledger.end(key, COPY, Record(State.OWED, (1,))) is State.OWED
    found = await ledger.begin(key, OTHER, resend=False)
    assert (found.owed, found.reason) == ((1,), "")
    # Somebody works on it now: what the first one says comes too late.
    assert await ledger.end(key, COPY, Record(State.DEAD, reason="no_such_mailbox")) is State.STARTED


async def test_an_old_start_is_ended_by_whoever_found_it(ledger, key, account_url):
    async with account(account_url) as other:
        await ledger.begin(key, COPY, resend=False)
        change(account_url, "UPDATE ledger SET at = at - 600000")
        found = await other.begin(key, OTHER, resend=False)
        assert found.state is State.STARTED
        assert 600 <= found.age < 620
        assert await other.end(key, OTHER, Record(State.UNKNOWN)) is State.UNKNOWN
        resent = await other.begin(key, OTHER, resend=True)
        assert resent.began
        # The first one lives, and its mail was taken: then nothing else counts.
        assert await ledger.end(key, COPY, DONE) is State.DONE
        assert await other.end(key, OTHER, NEW) is State.DONE


async def test_what_this_process_sends_is_as_old_as_it_is_whatever_the_clock_says(ledger, key, account_url):
    """The database's clock was set forward by ten minutes."""
    await ledger.begin(key, COPY, resend=False)
    change(account_url, "UPDATE ledger SET at = at - 600000")
    assert (await ledger.begin(key, OTHER, resend=False)).age < 20
    async with account(account_url) as other:
        assert (await other.begin(key, OTHER, resend=False)).age >= 600


async def test_an_unknown_outcome_is_ended_by_whoever_found_it(ledger, key):
    await ledger.begin(key, COPY, resend=False)
    await ledger.end(key, COPY, Record(State.UNKNOWN))
    await ledger.begin(key, OTHER, resend=False)
    assert await ledger.end(key, OTHER, Record(State.DEAD, reason="outcome_unknown")) is State.DEAD


async def test_what_does_not_fit_stops_nobody_else(ledger, key):
    with pytest.raises(ValueError, match="not a key"):
        await ledger.begin(b"short", COPY, resend=False)
    await ledger.begin(key, COPY, resend=False)
    assert await ledger.end(key, COPY, Record(State.DEAD, reason="x" * 1000)) is State.DEAD
    assert (await ledger.begin(key, COPY, resend=False)).reason == "x" * 64


async def test_of_copies_that_come_together_one_begins(ledger, key):
    standings = await asyncio.gather(*(ledger.begin(key, b"copy %d" % n, resend=True) for n in range(10)))
    assert sorted(standing.began for standing in standings) == [False] * 9 + [True]
    assert {standing.state for standing in standings if not standing.began} == {State.STARTED}


async def test_of_two_processes_one_begins(account_url):
    async with account(account_url) as one, account(account_url) as two:
        keys = [one.key("acme", "urn:shop", str(number)) for number in range(300)]
        mine, theirs = await asyncio.gather(
            asyncio.gather(*(one.begin(each, COPY, resend=False) for each in keys)),
            asyncio.gather(*(two.begin(each, COPY, resend=False) for each in reversed(keys))),
        )
        for a, b in zip(mine, reversed(theirs), strict=True):
            assert {a.began, b.began} == {True, False}
            assert {a.state, b.state} == {State.NEW, State.STARTED}
        ends = [
            *(one.end(each, COPY, DONE) for each, how in zip(keys, mine, strict=True) if how.began),
            *(two.end(each, COPY, DONE) for each, how in zip(keys, reversed(theirs), strict=True) if how.began),
        ]
        assert set(await asyncio.gather(*ends)) == {State.DONE}
    assert rows(account_url, "SELECT state, count(*) FROM ledger GROUP BY state") == [(12, 300)]


async def test_two_processes_that_resend_the_same_are_one_too_many(account_url):
    async with account(account_url) as one, account(account_url) as two:
        keys = [one.key("acme", "urn:shop", str(number)) for number in range(30)]
        for each in keys:
            await one.begin(each, COPY, resend=False)
            await one.end(each, COPY, Record(State.OWED, (1,)))
        found = await asyncio.gather(
            *(ledger.begin(each, COPY, resend=False) for each in keys for ledger in (one, two)),
        )
        assert [standing.began for standing in found].count(True) == 30


async def test_the_rows_say_nothing_of_a_person(ledger, account_url):
    """Only what the table is for: hashes, states, times, positions, codes."""
    for number, record in enumerate((DONE, Record(State.OWED, (0, 2)), Record(State.DEAD, reason="expired"))):
        key = ledger.key("secret-organisation", "urn:secret", f"secret event {number}")
        await ledger.begin(key, b"secret copy", resend=False)
        await ledger.end(key, b"secret copy", record)
    found = rows(account_url)
    assert len(found) == 3
    for key, state, at, hour, owed, reason, copy, mark in found:
        assert (len(key), len(copy), len(mark)) == (16, 8, 8)
        assert (state, owed, reason) in {(12, None, None), (10, "0,2", None), (13, None, "expired")}
        assert hour == at // 3_600_000
    assert "secret" not in repr(found)


async def test_lanes_go_along_and_are_read_by_others(account_url, key):
    changed = [("acme", b"one")]
    async with account(account_url, also=lambda: tuple(changed)) as one, account(account_url) as two:
        assert await two.lane("acme") is None
        await one.begin(key, COPY, resend=False)
        assert await two.lane("acme") == b"one"
        changed[:] = [("acme", b"two"), ("corp", b"\x00\xff")]
        await one.end(key, COPY, DONE)
        assert [await two.lane(name) for name in ("acme", "corp", "else")] == [b"two", b"\x00\xff", None]


async def test_lanes_are_remembered_without_an_event(account_url):
    changed = [("acme", b"one")]
    async with account(account_url, also=lambda: tuple(changed)) as one, account(account_url) as two:
        changed.append(("x" * 1000, b"too long"))
        one.remember()
        assert await one.lane("acme") == b"one"
        assert await one.drain(20) == 0
        assert await two.lane("acme") == b"one"


async def test_what_is_old_is_forgotten_in_small_steps(ledger, account_url):
    keys = [ledger.key("acme", "urn:shop", str(number)) for number in range(1_203)]
    await asyncio.gather(*(ledger.begin(each, COPY, resend=False) for each in keys))
    change(account_url, f"UPDATE ledger SET hour = hour - {7 * 24 + 1}")
    young = ledger.key("acme", "urn:shop", "young")
    await ledger.begin(young, COPY, resend=False)
    change(account_url, f"UPDATE ledger SET hour = hour - {7 * 24} WHERE hour = (SELECT max(hour) FROM ledger)")
    pruning = asyncio.create_task(ledger.prune())
    # Commits go on meanwhile.
    assert (await ledger.begin(keys[-1], OTHER, resend=False)).state in (State.STARTED, State.NEW)
    assert await pruning in (3, 4)
    assert 1 <= rows(account_url, "SELECT count(*) FROM ledger")[0][0] <= 2
    assert (await ledger.begin(young, COPY, resend=False)).state is State.STARTED


async def test_old_lanes_are_forgotten(account_url):
    changed = [("acme", b"one"), ("corp", b"two")]
    async with account(account_url, also=lambda: tuple(changed)) as ledger:
        ledger.remember()
        changed.clear()
        await ledger.drain(20)
        change(account_url, f"UPDATE lanes SET at = at - {2 * 24 * 3_600_000 + 1000} WHERE key = 'acme'")
        await ledger.prune()
        assert rows(account_url, "SELECT key FROM lanes") == [("corp",)]
