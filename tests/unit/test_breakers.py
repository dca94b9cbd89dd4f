"""Which breakers open for what, whom they hold, and who is told."""

import asyncio
import time
from typing import Any

import pytest

from consumer.names import WAIT_TIERS
from consumer.outcome import Reason
from tests.breaking import (
    LOST,
    REFUSED,
    SILENT,
    microsoft,
    smtp,
    until_due,
)
from tests.waiting import eventually
from transports.errors import (
    AccountProblem,
    Code,
    MessageRefused,
    RecipientDeferred,
    RecipientRefused,
    Temporary,
    Throttled,
    Unreachable,
)

pytest_plugins = ("tests.fixtures_breaking",)

ACME = smtp("acme")


async def test_failures_in_a_row_open_an_accounts_breaker_and_nobody_elses(one):
    await one.fail(ACME, 4)
    assert await one.held(ACME) is None
    await one.fail(ACME, 1)
    held = await one.held(ACME)
    assert (held.reason, held.platform) == (Reason.BREAKER_OPEN, False)
    assert 10 < held.soonest < 20
    assert await one.held(smtp("globex")) is None
    assert one.breakers.open_organizations() == {"acme": "connect_failed"}
    assert one.shown("mailroom_breaker_open") == {'{organization="acme"} 1.0'}


@pytest.mark.parametrize("error", [SILENT, LOST, Unreachable(Code.CONNECT_TIMEOUT)], ids=str)
async def test_of_what_takes_long_to_meet_fewer_are_enough(one, error):
    await one.fail(ACME, 2, error)
    assert await one.held(ACME) is None
    await one.fail(ACME, 1, error)
    assert await one.held(ACME) is not None


@pytest.mark.parametrize(
    "error",
    [
        RecipientRefused(Code.RECIPIENT_REFUSED),
        RecipientDeferred(Code.RECIPIENT_GREYLISTED),
        MessageRefused(Code.MESSAGE_TOO_LARGE),
        Temporary(Code.TEMPORARY_FAILURE),
        Throttled(Code.THROTTLED, retry_after=60.0),
        AccountProblem(Code.SIGN_IN_REFUSED),
        Unreachable(Code.NO_CONNECTION_FREE),
    ],
    ids=str,
)
async def test_faults_of_recipients_and_mails_never_open_anything(one, error):
    await one.fail(ACME, 50, error)
    assert await one.held(ACME) is None
    assert await one.rows.all() == ()


async def test_while_nothing_is_open_nobody_asks_the_database(one):
    await one.send(ACME)
    asked = one.rows.store.asked
    for _ in range(200):
        await one.send(ACME)
    assert one.rows.store.asked == asked


async def test_a_probe_that_was_not_sent_is_free_for_the_next_mail(one):
    await one.fail(ACME)
    await until_due(one.store, one)
    one.breakers.give_up(await one.probe(ACME))
    await one.breakers.aclose()  # what was to be written is
    permit = await one.probe(ACME)
    assert permit is not None


async def test_a_probe_that_is_forgotten_runs_out_in_the_same_process_too(one):
    await one.fail(ACME)
    await until_due(one.store, one)
    assert await one.probe(ACME) is not None
    assert await one.probe(ACME) is None
    await until_due(one.store, one)
    assert await one.probe(ACME) is not None


async def test_an_answer_to_a_mail_that_was_under_way_closes_it(one):
    permit = await one.breakers.enter(ACME)
    await one.fail(ACME)
    assert await one.held(ACME) is not None
    await one.breakers.left(permit, None)
    assert await one.held(ACME) is None
    assert await one.rows.all() == ()


async def test_an_account_that_needs_a_person_is_no_longer_the_breakers_business(one):
    await one.fail(ACME)
    await until_due(one.store, one)
    await one.breakers.left(await one.probe(ACME), AccountProblem(Code.SIGN_IN_REFUSED))
    assert await one.held(ACME) is None


async def test_new_settings_are_tried_at_once(one):
    await one.fail(ACME)
    one.breakers.forget("acme")
    assert await one.held(ACME) is None


async def test_what_waits_comes_back_by_one_wait_queue_and_soon_after_a_short_outage(one):
    await one.fail(ACME)
    after = [(await one.held(ACME)).after for _ in range(10_000)]
    assert set(after) <= {float(seconds) for seconds in WAIT_TIERS}
    assert max(after) == 60


async def test_a_mail_that_need_not_go_round_is_told_when_the_next_probe_is_due(one):
    await one.fail(ACME)
    for _ in range(5_000):
        held = await one.held(ACME)
    assert (held.soonest, held.after) == (14.75, 60.0)


async def test_what_is_turned_away_before_its_turn_claims_nothing(one):
    assert one.breakers.closed(ACME) is None
    await one.fail(ACME)
    asked = one.rows.store.asked
    assert one.breakers.closed(ACME).reason is Reason.BREAKER_OPEN
    assert one.breakers.closed(smtp("globex")) is None
    assert one.rows.store.asked == asked
    await until_due(one.store, one)
    assert [one.breakers.closed(ACME) for _ in range(3)] == [None] * 3
    assert await one.probe(ACME) is not None
    assert one.breakers.closed(ACME) is not None


async def test_a_probe_whose_time_runs_out_is_not_to_be_sent(one):
    await one.fail(ACME)
    await until_due(one.store, one)
    permit = await one.probe(ACME)
    assert one.breakers.still(permit)
    one.clock.now += 10
    assert one.breakers.still(permit)
    one.clock.now += 10
    assert not one.breakers.still(permit), "a send could outlast it"


async def test_a_mail_is_not_to_be_sent_if_its_way_was_closed_meanwhile_and_may_be_if_it_was_opened(one):
    plain = await one.breakers.enter(ACME)
    assert one.breakers.still(plain)
    await one.fail(ACME)
    assert not one.breakers.still(plain)
    await until_due(one.store, one)
    probe = await one.probe(ACME)
    one.breakers.store_away()
    assert not one.breakers.still(probe)
    one.breakers.store_back()
    assert one.breakers.still(probe)
    await one.breakers.left(plain, None)
    one.clock.now += 1000
    assert one.breakers.still(probe), "it is closed"


SHARED = [smtp(name, "relay.example") for name in ("acme", "globex", "initech")]


async def test_a_server_that_several_share_is_blamed_only_for_more_than_one_of_them(one):
    acme, globex, initech = SHARED
    await one.fail(acme, 5)
    assert [await one.held(way) is None for way in SHARED] == [False, True, True]
    await one.fail(globex, 1)
    assert [(await one.held(way)).reason for way in SHARED] == [Reason.BREAKER_OPEN] * 3
    assert [row.key for row in await one.rows.all()] == ["endpoint:relay.example:587"]
    assert await one.held(smtp("umbrella")) is None
    assert set(one.breakers.open_organizations()) == {"acme", "globex", "initech"}
    assert initech.key == "initech"


async def test_accounts_that_fail_together_count_each_for_their_server(one):
    ways = [smtp(name, "relay.example") for name in "abcde"]
    for way in ways * 3:
        if await one.held(way) is None:
            await one.send(way, REFUSED)
    assert [row.key for row in await one.rows.all()] == ["endpoint:relay.example:587"]


async def test_what_may_be_one_accounts_fault_is_never_its_servers(one):
    for way in SHARED[:2]:
        await one.fail(way, 3, SILENT)
    assert await one.held(SHARED[2]) is None
    assert {row.key for row in await one.rows.all()} == {"account:acme", "account:globex"}


async def test_a_providers_outage_holds_everybody_there_and_nobody_else(one):
    ways = [microsoft(name) for name in ("acme", "globex", "initech")]
    for way in ways[:2] * 2:
        await one.fail(way, 1, Temporary(Code.SIGN_IN_UNAVAILABLE))
    assert await one.held(ways[2]) is None
    await one.send(ways[2], Temporary(Code.SIGN_IN_UNAVAILABLE))
    held = await one.held(microsoft("umbrella"))
    assert (held.reason, held.platform) == (Reason.PLATFORM_HOLD, True)
    assert await one.held(smtp("hooli")) is None


async def test_mail_goes_on_while_a_database_is_away_and_nothing_is_open(one):
    store: Any = one.rows.store
    store.away = True
    for name in ("acme", "globex"):
        assert not (await one.send(smtp(name))).probe
    assert store.asked == 1, "it is not asked for each account while it is away"


async def test_what_was_read_before_a_breaker_opened_does_not_close_it(one):
    await one.send(ACME)
    one.rows.store.answers.clear()
    reading = asyncio.create_task(one.breakers.refresh())
    await eventually(lambda: one.rows.store.asked == 2)
    await one.fail(ACME)
    one.rows.store.answers.set()
    await reading
    assert await one.held(ACME) is not None


async def test_reading_the_table_takes_no_probe_away(one):
    await one.fail(ACME)
    await until_due(one.store, one)
    permit = await one.probe(ACME)
    await one.breakers.refresh()
    assert await one.probe(ACME) is None
    await one.breakers.left(permit, SILENT)
    (row,) = await one.rows.all()
    assert row.pause == 30


async def test_a_database_that_hangs_keeps_nobody_waiting_for_long(one):
    one.rows.store.answers.clear()
    began = time.monotonic()
    assert not (await one.send(ACME)).probe
    await one.fail(ACME, 4)
    assert await one.held(ACME) is None
    assert time.monotonic() - began < 4
    one.rows.store.answers.set()


@pytest.mark.parametrize("code", [Code.SIGN_IN_REFUSED, Code.SENDER_REFUSED, Code.QUOTA_EXHAUSTED], ids=str)
async def test_a_server_that_refuses_an_account_is_there_for_the_others(one, code):
    acme, globex, initech = SHARED
    await one.fail(acme, 5)
    await one.send(globex, REFUSED)
    await until_due(one.store, one)
    await one.breakers.left(await one.probe(globex), AccountProblem(code))
    assert await one.held(initech) is None


async def test_an_address_that_is_forbidden_says_nothing_of_a_server(one):
    acme, globex, initech = SHARED
    await one.fail(acme, 5)
    await one.send(globex, REFUSED)
    await until_due(one.store, one)
    await one.breakers.left(await one.probe(globex), AccountProblem(Code.ADDRESS_FORBIDDEN))
    assert await one.held(initech) is not None


async def test_a_providers_api_is_tried_every_five_minutes_at_least(one):
    ways = [microsoft(name) for name in ("acme", "globex", "initech")]
    for way in ways * 2:
        if await one.held(way) is None:
            await one.fail(way, 1, Temporary(Code.SIGN_IN_UNAVAILABLE))
    for _ in range(6):
        await until_due(one.store, one)
        await one.breakers.left(await one.probe(ways[0]), Temporary(Code.SIGN_IN_UNAVAILABLE))
    assert {row.pause for row in await one.rows.all() if row.key.startswith("endpoint:")} == {300}
