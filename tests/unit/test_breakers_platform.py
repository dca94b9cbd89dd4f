"""Faults of the platform's own: all whom they concern are held and nobody is blamed; one mail tries, one is told."""

import contextlib
import json

import pytest

from consumer.breaker_verdicts import scopes_of
from consumer.breakers import Permit
from consumer.outcome import Reason
from consumer.turns import GoAside
from tests.breaking import LOST, REFUSED, RELAY, SILENT, UNNAMED, microsoft, smtp, until_due
from transports.errors import AccountProblem, Code, PlatformProblem, Unreachable

pytest_plugins = ("tests.fixtures_breaking",)

EXPIRED = PlatformProblem(Code.PLATFORM_CREDENTIALS, "AADSTS7000222")
UNOPENED = PlatformProblem(Code.PLATFORM_SETTINGS, "a sealed token cannot be opened")
ORGANIZATIONS = [microsoft(f"org-{number}") for number in range(20)]


async def test_an_expired_secret_holds_all_who_send_by_it_with_one_alert_and_blames_nobody(one):
    assert not (await one.send(ORGANIZATIONS[0], EXPIRED)).probe
    for way in ORGANIZATIONS:
        held = await one.held(way)
        assert (held.reason, held.platform) == (Reason.PLATFORM_HOLD, True)
    assert await one.held(smtp("acme")) is None
    assert await one.held(microsoft("own app", user="a@b.example")) is None
    assert one.breakers.open_organizations() == {}
    await one.breakers.refresh()
    problem = '{reason="platform_credentials",transport="microsoft365"} 1.0'
    assert one.shown("mailroom_platform_problem{") == {problem.removeprefix("{")}
    assert one.shown("mailroom_platform_hold{") == {'reason="platform_credentials",scope="microsoft365"} 1.0'}


async def test_it_is_tried_by_one_mail_at_a_time_seldom_and_alerts_all_the_while(one):
    await one.send(ORGANIZATIONS[0], EXPIRED)
    pauses = []
    for _ in range(8):
        await until_due(one.store, one)
        probes = [probe for way in ORGANIZATIONS if (probe := await one.probe(way)) is not None]
        assert len(probes) == 1
        await one.breakers.left(probes[0], EXPIRED)
        (row,) = await one.rows.all()
        pauses.append(row.pause)
        assert len(one.shown("mailroom_platform_problem{")) == 1
    assert pauses == [30, 60, 120, 240, 300, 300, 300, 300]


async def test_it_goes_on_by_itself_and_the_alert_ends(one, capsys):
    await one.send(ORGANIZATIONS[0], EXPIRED)
    await one.breakers.refresh()
    await until_due(one.store, one)
    await one.breakers.left(await one.probe(ORGANIZATIONS[1]), None)
    assert [await one.held(way) for way in ORGANIZATIONS] == [None] * 20
    assert one.shown("mailroom_platform_problem{") == one.shown("mailroom_platform_hold{") == set()
    said = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert "the platform can send again" in said


async def test_mail_that_left_with_a_token_from_before_proves_nothing(one):
    before = await one.breakers.enter(ORGANIZATIONS[1])
    await one.send(ORGANIZATIONS[0], EXPIRED)
    await one.breakers.left(before, None)
    assert await one.held(ORGANIZATIONS[2]) is not None


async def test_what_may_be_one_accounts_is_held_for_all_only_when_others_meet_it(one):
    acme, globex, initech = ORGANIZATIONS[:3]
    await one.fail(acme, 5, UNOPENED)
    assert (await one.held(acme)).reason is Reason.BREAKER_OPEN
    assert await one.held(globex) is None
    await one.send(globex, UNOPENED)
    assert (await one.held(initech)).reason is Reason.PLATFORM_HOLD


@pytest.mark.parametrize(
    ("error", "times"),
    [
        (AccountProblem(Code.SIGN_IN_REFUSED), 1),
        (PlatformProblem(Code.SIGN_IN_REFUSED), 1),
        (PlatformProblem(Code.CERTIFICATE_EXPIRED), 1),
        (PlatformProblem(Code.SENDER_REFUSED), 3),
        (REFUSED, 5),
        (SILENT, 3),
        (LOST, 3),
    ],
    ids=str,
)
async def test_whatever_our_own_relay_does_is_ours(one, error, times):
    await one.fail(RELAY, times - 1, error)
    assert await one.held(RELAY) is None
    await one.send(RELAY, error)
    held = await one.held(RELAY)
    assert (held.reason, held.platform) == (Reason.PLATFORM_HOLD, True)
    assert await one.held(smtp("acme")) is None
    assert one.breakers.open_organizations() == {}
    await one.breakers.refresh()
    assert one.shown("mailroom_platform_problem{") == {f'reason="{error.code}",transport="default"}} 1.0'}


async def test_a_recipient_our_relay_does_not_relay_to_holds_nobody(one):
    await one.fail(RELAY, 20, AccountProblem(Code.RELAYING_DENIED))
    assert await one.held(RELAY) is None


async def _outage(one, error=REFUSED, servers="abc", mails=2):
    for _ in range(mails):
        for name in servers:
            with contextlib.suppress(GoAside):
                await one.send(smtp(name), error)
        one.clock.now += 6


@pytest.mark.parametrize(("error", "scope"), [(REFUSED, "egress"), (SILENT, "egress"), (UNNAMED, "dns")], ids=str)
async def test_when_all_servers_fall_silent_it_is_our_own_network(one, error, scope):
    await _outage(one, error)
    held = await one.held(smtp("a"))
    assert (held.reason, held.platform) == (Reason.PLATFORM_HOLD, True)
    assert await one.held(RELAY) is None, "it stands on our own network"
    assert one.breakers.open_organizations() == {}
    assert {series.partition('scope="')[2] for series in one.shown("mailroom_platform_hold{")} == {f'{scope}"}} 1.0'}
    assert await one.rows.all() == (), "other machines may be well"


async def test_breakers_that_our_own_outage_opened_are_taken_back(one):
    for name in "abc":
        await one.fail(smtp(name), 5)
    assert len(await one.rows.all()) == 3
    one.clock.now += 6
    await one.breakers.refresh()
    assert set(one.breakers.open_organizations()) == set()
    await one.breakers.aclose()
    assert await one.rows.all() == ()


async def test_while_somebody_answers_it_is_not_our_network(one):
    for _ in range(20):
        for name in "abc":
            await one.breakers.left(_in_spite(smtp(name)), REFUSED)
        await one.send(smtp("d"))
        one.clock.now += 1
        await one.breakers.refresh()
        assert one.shown("mailroom_platform_hold{") == set()


def _in_spite(way):
    """A permit from before anything was open."""
    return Permit(way, scopes=scopes_of(way))


async def test_one_answer_ends_the_outage_for_all(one):
    await _outage(one)
    one.clock.now += 20
    permit = await one.probe(smtp("a"))
    assert await one.probe(smtp("b")) is None
    await one.breakers.left(permit, None)
    assert [await one.held(smtp(name)) for name in "abcd"] == [None] * 4


async def test_a_server_that_was_not_tried_may_prove_at_once_that_it_was_chance(one):
    await _outage(one)
    assert await one.probe(smtp("a")) is None
    permit = await one.probe(smtp("d"))
    assert permit is not None
    await one.breakers.left(permit, None)
    assert await one.held(smtp("a")) is None


async def test_a_long_outage_is_tried_seldom(one):
    await _outage(one)
    probes = 0
    for _ in range(600):
        one.clock.now += 1
        await one.breakers.refresh()
        for name in "abc":
            if (permit := await one.probe(smtp(name))) is not None:
                await one.breakers.left(permit, REFUSED)
                probes += 1
    assert 600 / 33 - 1 <= probes <= 600 / 27 + 4
    assert one.breakers.open_organizations() == {}


async def test_a_database_that_is_away_holds_all_until_it_answers(one):
    one.rows.store.away = True
    one.breakers.store_away()
    assert [(await one.held(way)).platform for way in (RELAY, smtp("acme"), ORGANIZATIONS[0])] == [True] * 3
    one.clock.now += 1000
    await one.breakers.refresh()
    assert await one.held(RELAY) is not None, "nobody tries with a mail"
    one.rows.store.away = False
    await one.breakers.refresh()
    assert await one.held(RELAY) is None


async def test_a_database_that_only_answers_is_not_back(one):
    one.breakers.store_away()
    one.rows.store.read_only = True
    for _ in range(60):
        one.clock.now += 1
        await one.breakers.refresh()
        assert await one.held(RELAY) is not None
    one.rows.store.read_only = False
    one.clock.now += 1
    await one.breakers.refresh()
    assert await one.held(RELAY) is None


async def test_a_ledger_that_fails_over_an_otherwise_good_database_is_left_in_peace_for_longer(one):
    tries = 0
    for _ in range(600):
        if await one.held(RELAY) is None:
            one.breakers.store_away()
            tries += 1
        one.clock.now += 1
        await one.breakers.refresh()
    assert tries <= 600 / 30 + 6


async def test_whoever_can_write_ends_the_hold_at_once(one):
    one.breakers.store_away()
    one.breakers.store_back()
    assert await one.held(RELAY) is None


async def test_names_that_do_not_exist_are_answers_of_a_name_server(one):
    for _ in range(3):
        await _outage(one, Unreachable(Code.NAME_NOT_FOUND))
    assert one.shown("mailroom_platform_hold{") == set()
    assert set(one.breakers.open_organizations()) == {"a", "b", "c"}


async def test_a_name_that_does_not_exist_proves_that_name_servers_answer_again(one):
    await _outage(one, UNNAMED)
    await one.breakers.left(await one.probe(smtp("d")), Unreachable(Code.NAME_NOT_FOUND))
    await one.breakers.refresh()
    assert await one.held(smtp("a")) is None


async def test_mail_without_a_default_service_is_held_with_growing_pauses_and_one_alert(one):
    waits = []
    for _ in range(40):
        waits.append(one.breakers.no_route(Code.PLATFORM_SETTINGS))
        one.clock.now += waits[-1].soonest
    assert {(aside.reason, aside.platform) for aside in waits} == {(Code.PLATFORM_SETTINGS, True)}
    assert (waits[0].soonest, waits[-1].soonest) == (15, 300)
    await one.breakers.refresh()
    assert one.shown("mailroom_platform_hold{") == {'reason="platform_settings",scope="default"} 1.0'}
    assert one.shown("mailroom_platform_problem{") == {'reason="platform_settings",transport="default"} 1.0'}
    assert await one.held(smtp("acme")) is None
    assert await one.rows.all() == (), "other processes may have one"


async def test_no_default_service_is_over_when_there_is_one(one):
    one.breakers.no_route(Code.PLATFORM_SETTINGS)
    assert not (await one.send(RELAY)).probe
    assert one.shown("mailroom_platform_hold{") == set()


async def test_no_default_service_is_over_when_nobody_needs_it(one):
    one.breakers.no_route(Code.PLATFORM_SETTINGS)
    for _ in range(400):
        one.clock.now += 1
        await one.breakers.refresh()
    assert one.shown("mailroom_platform_hold{") == set()


async def test_a_relay_that_another_replica_holds_is_not_mixed_up_with_there_being_none(one):
    await one.rows.open("platform:default", "sign_in_refused", 15.0, 1)
    one.breakers.no_route(Code.PLATFORM_SETTINGS)
    await one.breakers.refresh()
    assert one.shown("mailroom_platform_hold{") == {'reason="platform_settings",scope="default"} 1.0'}
    assert await one.held(RELAY) is None, "there is one"
    await one.breakers.refresh()
    assert await one.held(RELAY) is not None, "and it is held as the others say"
