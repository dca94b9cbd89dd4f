"""Grants: sealed each for itself, one candidate and one in use, refreshed by one, revoked in the end and forgotten."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select, update

from config.actors import OPERATOR, Actor, ActorKind
from config.errors import ConfigurationError, SecretUnreadable, SettingsUnreadable, StoreUnavailable
from config.grants import Grants, GrantState
from config.oauth.grant_store import GrantRow, GrantStore, Lease
from config.oauth.values import AppCredentials, Identity, Method, Provider, Way
from config.secrets import Secret
from config.store import Store
from config.store_schema import grants, organizations
from config.testing import candidate_grant, smtp_form, sqlite_url, stores_in, stores_over, token_set
from tests.builders import NOON
from transports.errors import Code

pytest_plugins = ("tests.fixtures_store",)

ADA = Actor(ActorKind.ADMINISTRATOR, "Ada", "ada@acme.example")
APP = AppCredentials("client 1", "tenant 1", "mail@acme.example", Secret("-----BEGIN KEY-----"), certificate=True)


@pytest.fixture
async def here(tmp_path, wall_clock):
    """Stores on SQLite alone, for what no database has a part in."""
    async with stores_in(tmp_path, now=wall_clock) as found:
        yield found


async def row(store, grant):
    async with store.read() as connection:
        found = (await connection.execute(select(grants).where(grants.c.id == grant.id))).first()
        return None if found is None else dict(found._mapping)


async def change(store, grant, **values):
    async with store.write() as connection:
        await connection.execute(update(grants).where(grants.c.id == grant.id).values(**values))


async def test_a_consent_is_kept_and_shown_without_its_secrets(stores, others):
    grant = await candidate_grant(stores.grants, actor=ADA)
    assert await others.grants.candidate("acme") == grant
    assert await others.grants.of(grant.id) == grant
    assert (grant.provider, grant.method, grant.way) == (Provider.MICROSOFT, Method.PERSON, Way.API)
    assert grant.identity == Identity("ada", "tenant of acme", "ada@acme.example", "Ada Lovelace")
    assert (grant.state, grant.connected_at, grant.by) == (GrantState.CANDIDATE, NOON, ADA)
    assert grant.scopes == frozenset({"Mail.Send", "email"})
    assert await stores.grants.active("acme") is None
    assert await stores.grants.candidate("bolt") is None
    assert await stores.organizations.describe("acme") is None, "a candidate is not in use"
    source: GrantStore = others.grants
    assert await source.get(grant.id) == GrantRow(
        id=grant.id,
        organization="acme",
        provider=Provider.MICROSOFT,
        method=Method.PERSON,
        way=Way.API,
        version=1,
        tenant="tenant of acme",
        refresh_token=Secret("refresh 1"),
        access_token=Secret("access 1"),
        fresh_for=3600.0,
    )
    kept = await row(stores.store, grant)
    assert not [value for value in kept.values() if "refresh 1" in str(value) or "access 1" in str(value)]
    assert "refresh 1" not in repr((grant, await source.get(grant.id)))


async def test_the_credentials_of_an_app_come_back_as_they_were(here):
    grant = await candidate_grant(here.grants, tokens=APP)
    found = await here.grants.get(grant.id)
    assert (found.app, found.refresh_token, found.access_token, found.fresh_for) == (APP, None, None, 0.0)
    assert (grant.method, grant.scopes) == (Method.APP, frozenset())
    kept = await here.grants.keep(grant.id, 1, "here", token_set("never kept"), 600)
    assert (kept.app, kept.version, kept.access_token, kept.fresh_for) == (APP, 2, Secret("access 1"), 600.0)


async def test_what_does_not_fit_its_method_is_refused(here):
    about = ("acme", Provider.GOOGLE)
    who = (Identity("ada", "", "ada@acme.example"), OPERATOR)
    for method, given in (
        (Method.PERSON, APP),
        (Method.APP, token_set()),
        (Method.PERSON, token_set(refresh_token=None)),
    ):
        with pytest.raises(ValueError, match=r"refresh token|method APP"):
            await here.grants.add_candidate(*about, method, Way.API, given, *who)
    assert await here.grants.candidate("acme") is None


async def test_without_a_key_nothing_is_connected(here):
    with pytest.raises(ConfigurationError):
        await candidate_grant(stores_over(here.store, keys=[]).grants)


async def test_a_later_candidate_takes_the_place_of_an_earlier_one(stores):
    first = await candidate_grant(stores.grants)
    second = await candidate_grant(stores.grants, subject="grace", email="grace@acme.example")
    assert await stores.grants.candidate("acme") == second
    assert await stores.grants.get(first.id) is None, "it gives no more tokens"
    assert (await stores.grants.of(first.id)).state is GrantState.RETIRED
    assert await stores.grants.discard_candidate("acme") is True
    assert await stores.grants.discard_candidate("acme") is False
    assert await stores.grants.candidate("acme") is None


async def test_of_accounts_connected_at_once_one_stays(stores, others):
    made = await asyncio.gather(
        *(candidate_grant(replica.grants, subject=str(number)) for replica in (stores, others) for number in range(4))
    )
    states = [(await stores.grants.of(grant.id)).state for grant in made]
    assert sorted(states) == [GrantState.CANDIDATE, *[GrantState.RETIRED] * 7]


@pytest.mark.parametrize("column", ["secret_sealed", "access_sealed"])
async def test_a_secret_copied_to_another_grant_organisation_or_column_does_not_open(here, column):
    again, other = await here.connect(), await candidate_grant(here.grants, "bolt")
    await candidate_grant(here.grants)
    source = await row(here.store, again)
    for target in (other, await here.grants.candidate("acme")):
        before = (await row(here.store, target))[column]
        await change(here.store, target, **{column: source[column]})
        with pytest.raises(SecretUnreadable):
            await here.grants.get(target.id)
        await change(here.store, target, **{column: before})
    swapped = "access_sealed" if column == "secret_sealed" else "secret_sealed"
    await change(here.store, again, **{column: source[swapped]})
    with pytest.raises(SecretUnreadable):
        await here.grants.get(again.id)


async def test_a_refresh_is_kept_once_for_its_version(stores, others):
    grant = await stores.connect()
    assert await stores.grants.take_lease(grant.id, 1, "one", 60) is Lease.FREE
    kept = await stores.grants.keep(grant.id, 1, "one", token_set("refresh 2", access_token=Secret("access 2")), 1800)
    assert (kept.version, kept.refresh_token, kept.access_token) == (2, Secret("refresh 2"), Secret("access 2"))
    assert kept.fresh_for == 1800.0
    assert await others.grants.get(grant.id) == kept
    assert await others.grants.keep(grant.id, 1, "two", token_set("late"), 1800) is None
    assert await others.grants.get(grant.id) == kept
    same = await others.grants.keep(grant.id, 2, "two", token_set(refresh_token=None), 60)
    assert (same.version, same.refresh_token) == (3, Secret("refresh 2")), "the old one stays good"


async def test_of_replicas_that_keep_at_once_one_does(stores, others):
    grant = await stores.connect()
    kept = await asyncio.gather(
        *(
            replica.grants.keep(grant.id, 1, str(number), token_set(f"refresh {number}"), 60)
            for number, replica in enumerate([stores, others] * 4)
        )
    )
    (winner,) = [one for one in kept if one is not None]
    assert await stores.grants.get(grant.id) == winner


async def test_a_lease_is_one_holders_until_it_ends(stores, others, wall_clock):
    grant = await stores.connect()
    taken = await asyncio.gather(
        *(replica.grants.take_lease(grant.id, 1, name, 60) for replica, name in ((stores, "one"), (others, "two")))
    )
    assert sorted(taken, key=str) == [Lease.FREE, None]
    holder, other = ("one", "two") if taken[0] else ("two", "one")
    wall_clock.forward(seconds=59)
    assert await stores.grants.take_lease(grant.id, 1, other, 60) is None
    assert await stores.grants.take_lease(grant.id, 1, holder, 60) is Lease.FREE, "who has it gets it anew"
    await stores.grants.release(grant.id, other)
    assert await stores.grants.take_lease(grant.id, 1, other, 60) is None
    await stores.grants.release(grant.id, holder)
    assert await stores.grants.take_lease(grant.id, 1, other, 60) is Lease.FREE
    wall_clock.forward(seconds=60)
    assert await stores.grants.take_lease(grant.id, 1, other, 60) is Lease.FREE, "though it had run out"
    wall_clock.forward(seconds=60)
    assert await stores.grants.take_lease(grant.id, 2, holder, 60) is None, "another version"
    assert await stores.grants.take_lease(grant.id, 1, holder, 60) is Lease.OVERDUE, "it ended without a word"
    await stores.grants.keep(grant.id, 1, other, token_set(), 60)
    assert await stores.grants.take_lease(grant.id, 2, other, 60) is Lease.FREE, (
        "a refresh ends the lease, whoever had it"
    )


async def test_a_dead_grant_says_why_until_it_is_refreshed(stores, wall_clock):
    grant = await stores.connect()
    await stores.grants.take_lease(grant.id, 1, "one", 60)
    assert await stores.grants.mark_dead(grant.id, 1, "two", Code.RECONNECTION_NEEDED, "AADSTS50173") is False
    assert await stores.grants.mark_dead(grant.id, 2, "one", Code.RECONNECTION_NEEDED, "AADSTS50173") is False
    assert (await stores.grants.get(grant.id)).dead is None
    assert await stores.grants.mark_dead(grant.id, 1, "one", Code.RECONNECTION_NEEDED, "AADSTS50173") is True
    wall_clock.forward(seconds=90)
    found = await stores.grants.get(grant.id)
    assert (found.dead, found.dead_detail, found.dead_for) == (Code.RECONNECTION_NEEDED, "AADSTS50173", 90.0)
    assert found.version == 1
    assert (await stores.grants.active("acme")).dead is Code.RECONNECTION_NEEDED
    assert await stores.grants.take_lease(grant.id, 1, "two", 60) is Lease.FREE, "the lease ended with it"
    alive = await stores.grants.keep(grant.id, 1, "two", token_set(), 60)
    assert (alive.dead, alive.dead_detail, alive.dead_for) == (None, "", 0.0)


async def test_an_access_token_that_ran_out_says_how_long_ago(here, wall_clock):
    grant = await here.connect()
    wall_clock.forward(hours=1, seconds=5)
    assert (await here.grants.get(grant.id)).fresh_for == -5.0


async def test_idle_grants_in_use_are_found_and_no_others(stores, wall_clock):
    idle = await stores.connect("idle", subject="idle")
    dead = await stores.connect("dead", subject="dead")
    await stores.grants.mark_dead(dead.id, 1, "here", Code.RECONNECTION_NEEDED, "")
    await stores.connect("app", tokens=APP)
    wall_clock.forward(seconds=1)
    later = await stores.connect("later", subject="later")
    await candidate_grant(stores.grants, "candidate", subject="candidate")
    wall_clock.forward(days=60)
    fresh = await stores.connect("fresh", subject="fresh")
    assert await stores.grants.stale(60 * 86_400 - 1, 10) == (idle.id, later.id)
    assert await stores.grants.stale(60 * 86_400 - 1, 1) == (idle.id,)
    assert await stores.grants.stale(60 * 86_400, 10) == (idle.id,)
    await stores.grants.keep(idle.id, 1, "here", token_set(), 60)
    assert await stores.grants.stale(1, 10) == (later.id,)
    assert fresh.state is GrantState.ACTIVE


async def test_a_retired_grant_is_revoked_once_and_keeps_no_name(stores, others):
    grant = await stores.connect("acme", Provider.GOOGLE, actor=ADA)
    await stores.organizations.disconnect("acme")
    kept = await row(stores.store, grant)
    assert [kept[name] for name in ("email", "name", "actor_name", "actor_email")] == [""] * 4
    assert (kept["access_sealed"], kept["scopes"]) == (None, [])
    assert await stores.grants.get(grant.id) is None
    assert await stores.grants.take_lease(grant.id, 1, "late", 60) is None
    assert await stores.grants.keep(grant.id, 1, "late", token_set("late"), 60) is None
    found = await asyncio.gather(stores.grants.to_revoke(), others.grants.to_revoke())
    ((revocation,),) = [one for one in found if one]
    assert (revocation.id, revocation.provider, revocation.refresh_token) == (
        grant.id,
        Provider.GOOGLE,
        Secret("refresh 1"),
    )
    assert "refresh 1" not in repr(revocation)
    await others.grants.revoked(grant.id)
    assert await row(stores.store, grant) is None
    await stores.grants.revoked("no such grant")


async def test_a_revocation_that_fails_is_tried_again_ever_more_rarely_and_given_up_after_a_week(here, wall_clock):
    grant = await here.connect()
    await here.organizations.disconnect("acme")
    waited = []
    for _ in range(6):
        (revocation,) = await here.grants.to_revoke()
        await here.grants.revoke_failed(revocation.id)
        waited.append(((await row(here.store, grant))["revoke_at"] - wall_clock.now).total_seconds() / 60)
        wall_clock.forward(minutes=waited[-1])
    assert waited == [1, 2, 4, 8, 16, 32]
    wall_clock.forward(days=7)
    assert await here.grants.to_revoke() == ()
    assert await row(here.store, grant) is None


async def test_a_process_that_dies_while_revoking_leaves_it_to_the_next(stores, wall_clock):
    await stores.connect()
    await stores.organizations.disconnect("acme")
    assert len(await stores.grants.to_revoke()) == 1
    wall_clock.forward(minutes=4)
    assert await stores.grants.to_revoke() == ()
    wall_clock.forward(minutes=1)
    assert len(await stores.grants.to_revoke()) == 1


async def test_the_account_of_a_live_connection_is_not_revoked(stores):
    """Google ends all of an account's consents to one app together, and the new one with the old."""
    await stores.connect("acme", subject="shared")
    await stores.connect("bolt", subject="shared")
    await stores.organizations.disconnect("acme")
    assert await stores.grants.to_revoke() == ()
    await stores.connect("bolt", subject="shared")
    assert await stores.grants.to_revoke() == ()
    await stores.connect("corp", Provider.GOOGLE, subject="shared")
    await stores.organizations.disconnect("bolt")
    assert len(await stores.grants.to_revoke()) == 1, "the same name at another provider is another account"


async def test_the_credentials_of_an_app_are_forgotten_at_once(here):
    grant = await here.connect(tokens=APP)
    await here.organizations.configure_smtp("acme", smtp_form())
    assert await row(here.store, grant) is None
    assert await here.grants.to_revoke() == ()


async def test_a_candidate_that_nobody_puts_to_use_is_retired_after_a_day(here, wall_clock):
    grant = await candidate_grant(here.grants)
    wall_clock.forward(days=1)
    assert await here.grants.to_revoke() == ()
    wall_clock.forward(seconds=1)
    assert [one.id for one in await here.grants.to_revoke()] == [grant.id]
    assert await here.grants.candidate("acme") is None


async def test_times_are_the_databases_unless_a_clock_is_given(store, box):
    found: Any = Grants(store, box)
    grant = await candidate_grant(found)
    clock = await store.clock()
    assert abs((clock - grant.connected_at).total_seconds()) < 60
    assert 3500 < (await found.get(grant.id)).fresh_for <= 3600


async def test_a_second_grant_in_one_state_is_refused_by_the_database(stores):
    mine = await candidate_grant(stores.grants)
    other = await candidate_grant(stores.grants, "bolt")
    with pytest.raises(StoreUnavailable):
        await change(stores.store, other, organization="acme")
    assert await stores.grants.candidate("acme") == mine


async def test_an_account_without_its_key_is_unreadable_only_where_it_is_used(here):
    grant = await stores_over(here.store).connect()
    blind: Any = stores_over(here.store, keys=[])
    assert (await blind.organizations.describe("acme")).account_email == "ada@acme.example"
    assert (await blind.organizations.get("acme")).account.grant == grant.id
    with pytest.raises(SecretUnreadable):
        await blind.grants.get(grant.id)
    await blind.organizations.disconnect("acme")
    assert await blind.grants.to_revoke() == ()


async def test_tokens_are_in_no_file_of_the_database(tmp_path):
    store = await Store.open(sqlite_url(tmp_path))
    found = stores_over(store)
    await found.connect(tokens=token_set("canary refresh", access_token=Secret("canary access")))
    await found.connect("bolt", tokens=APP)
    await store.close()
    for file in tmp_path.iterdir():
        assert not [word for word in (b"canary", b"BEGIN KEY", b"client 1") if word in file.read_bytes()], file


async def test_settings_whose_grant_is_gone_are_unreadable_and_never_nothing(here):
    grant = await here.connect()
    async with here.store.write() as connection:
        await connection.execute(update(organizations).values(grant_id="another"))
    with pytest.raises(SettingsUnreadable):
        await here.organizations.get("acme")
    async with here.store.write() as connection:
        await connection.execute(update(organizations).values(grant_id=grant.id, organization="bolt"))
    with pytest.raises(SettingsUnreadable):
        await here.organizations.get("bolt")
