"""Breakers of several replicas over one table: what one opens holds for all, and all of them together probe once."""

import asyncio
from typing import Any

import pytest

from config.store import Store
from consumer.outcome import Reason
from tests.breaking import (
    SILENT,
    Clock,
    Replica,
    smtp,
    until_due,
)

pytest_plugins = ("tests.fixtures_store",)

ACME = smtp("acme")


@pytest.fixture
async def pair(store, store_url):
    """Two replicas, each with connections of its own."""
    other = await Store.open(store_url)
    clock = Clock()
    found = Replica(store, clock, "one"), Replica(other, clock, "two")
    yield found
    for replica in found:
        await replica.breakers.aclose()
    await other.close()


@pytest.fixture
def one(pair):
    return pair[0]


@pytest.fixture
def two(pair):
    return pair[1]


async def test_another_replica_knows_it_from_the_first_mail_on(one, two):
    await one.fail(ACME)
    assert (await two.held(ACME)).reason is Reason.BREAKER_OPEN
    assert two.breakers.open_organizations() == {"acme": "connect_failed"}


async def test_a_replica_that_has_served_the_account_before_learns_it_within_a_second(one, two):
    await two.send(ACME)
    await one.fail(ACME)
    await two.breakers.refresh()
    assert await two.held(ACME) is not None


async def test_exactly_one_mail_probes_whichever_replica_asks(one, two):
    await one.fail(ACME)
    await until_due(one.store, one, two)
    permits = await asyncio.gather(*(replica.probe(ACME) for replica in (one, two) * 20))
    assert sum(permit is not None for permit in permits) == 1


async def test_a_probe_that_is_answered_closes_it_for_all(one, two):
    await one.fail(ACME)
    await until_due(one.store, one, two)
    permit = await two.probe(ACME)
    assert permit.probe
    await two.breakers.left(permit, None)
    await one.breakers.refresh()
    assert [await replica.held(ACME) for replica in (one, two)] == [None, None]
    assert one.breakers.open_organizations() == {}
    assert one.shown("mailroom_breaker_open{") == set()
    assert two.shown("mailroom_probes_total") == {'{result="answered",scope="account"} 1.0'}


async def test_a_probe_that_fails_makes_all_wait_longer(one, two):
    await one.fail(ACME)
    pauses = []
    for replica in (one, two) * 4:
        await until_due(one.store, one, two)
        permit = await replica.probe(ACME)
        await replica.breakers.left(permit, SILENT)
        (row,) = await one.rows.all()
        pauses.append(row.pause)
        assert await replica.probe(ACME) is None
        assert (await replica.held(ACME)).soonest > 25
    assert pauses == [30, 60, 120, 240, 480, 900, 900, 900]


async def test_the_probe_of_a_replica_that_died_is_made_by_another(one, two):
    await one.fail(ACME)
    await until_due(one.store, one, two)
    dead = await one.probe(ACME)
    assert await two.probe(ACME) is None
    await until_due(one.store, two)
    alive = await two.probe(ACME)
    assert alive is not None
    # What it says when it wakes up counts no more, unless it is an answer.
    await one.breakers.left(dead, SILENT)
    (row,) = await two.rows.all()
    assert (row.pause, row.claimed_by) == (15.0, dict(alive.claims)["account:acme"])


SHARED = [smtp(name, "relay.example") for name in ("acme", "globex", "initech")]


async def test_one_probe_of_any_account_opens_a_shared_server_for_all(one, two):
    for way in (*SHARED, *SHARED[:2]):
        await one.fail(way, 1)
    await until_due(one.store, one, two)
    probes = [await replica.probe(way) for replica in (one, two) for way in SHARED]
    found = [probe for probe in probes if probe is not None]
    assert len(found) == 1
    await one.breakers.left(found[0], None)
    await two.breakers.refresh()
    assert [await two.held(way) for way in SHARED] == [None] * 3


async def test_while_the_database_is_away_memory_decides_and_it_is_told_afterwards(one, two):
    store: Any = one.rows.store
    await one.send(ACME)
    store.away = True
    await one.fail(ACME)
    assert await one.held(ACME) is not None
    one.clock.now += 20
    permit = await one.probe(ACME)
    assert permit.probe
    assert await one.probe(ACME) is None
    await one.breakers.left(permit, SILENT)
    assert await two.held(ACME) is None
    store.away = False
    await one.breakers.refresh()
    await one.breakers.aclose()
    await two.breakers.refresh()
    assert await two.held(ACME) is not None


async def test_what_was_closed_while_the_database_was_away_is_closed_for_all_afterwards(one, two):
    store: Any = one.rows.store
    await one.fail(ACME)
    await until_due(one.store, one, two)
    permit = await one.probe(ACME)
    store.away = True
    await one.breakers.left(permit, None)
    assert await one.held(ACME) is None
    assert await two.held(ACME) is not None
    store.away = False
    await one.breakers.refresh()
    await one.breakers.aclose()
    assert await one.held(ACME) is None
    await two.breakers.refresh()
    assert await two.held(ACME) is None


async def test_a_probe_that_is_late_is_not_sent_beside_the_next_one(one, two):
    await one.fail(ACME)
    await until_due(one.store, one, two)
    late = await one.probe(ACME)
    await until_due(one.store, one, two)
    next_one = await two.probe(ACME)
    assert next_one is not None
    assert [one.breakers.still(late), two.breakers.still(next_one)] == [False, True]
    one.breakers.give_up(late)
    await one.breakers.aclose()
    (row,) = await two.rows.all()
    assert row.claimed_by == dict(next_one.claims)["account:acme"]
