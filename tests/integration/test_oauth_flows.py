"""A consent under way is of use once, for ten minutes, to the session that began it; the verifier is sealed."""

import asyncio

import pytest
from sqlalchemy import select, update

from config.actors import Actor, ActorKind
from config.errors import ConfigurationError
from config.oauth.flows import Flow, Purpose
from config.oauth.values import Begun, Provider, Way
from config.secrets import Secret, generate_key
from config.store_schema import oauth_flows
from config.testing import stores_in, stores_over
from tests.builders import NOON

pytest_plugins = ("tests.fixtures_store",)

ADA = Actor(ActorKind.ADMINISTRATOR, "Ada", "ada@acme.example")
STATE, SESSION = "a state that nobody guesses", "the token of a session"


@pytest.fixture
async def here(tmp_path, wall_clock):
    async with stores_in(tmp_path, now=wall_clock) as found:
        yield found


async def begin(stores, state=STATE, *, session=SESSION, organization="acme"):
    begun = Begun("https://login.example/authorize?state=…", state, Secret("verifier and nonce"))
    await stores.flows.begin(organization, Provider.MICROSOFT, Way.SMTP, session, begun, Purpose.ADMIN_CONSENT, ADA)


async def rows(stores):
    async with stores.store.read() as connection:
        return [dict(row._mapping) for row in await connection.execute(select(oauth_flows))]


async def test_a_flow_comes_back_as_it_was_begun_in_whatever_process(stores, others):
    await begin(stores)
    assert await others.flows.take(STATE, SESSION) == Flow(
        "acme", Provider.MICROSOFT, Way.SMTP, Purpose.ADMIN_CONSENT, ADA, NOON, Secret("verifier and nonce")
    )
    assert await rows(stores) == []
    assert await stores.flows.take(STATE, SESSION) is None, "it is of use once"


async def test_of_several_who_take_it_at_once_one_gets_it(stores, others):
    await begin(stores)
    taken = await asyncio.gather(*(replica.flows.take(STATE, SESSION) for replica in [stores, others] * 4))
    assert len([flow for flow in taken if flow is not None]) == 1


async def test_only_hashes_and_sealed_values_are_stored(here):
    await begin(here)
    (row,) = await rows(here)
    stored = repr(row)
    assert not [secret for secret in (STATE, SESSION, "verifier") if secret in stored]
    assert "verifier" not in repr(await here.flows.take(STATE, SESSION))


async def test_another_session_gets_nothing_and_spoils_nothing(stores, others):
    await begin(stores)
    assert await others.flows.take(STATE, "another session") is None
    assert await stores.flows.take(STATE, "") is None
    assert await others.flows.take(STATE, SESSION) is not None
    assert await stores.flows.take(STATE, SESSION) is None, "it is of use once"


@pytest.mark.parametrize("state", ["", "unknown", "x" * 1001, "\ud800", STATE.upper()])
async def test_a_state_of_nobody_takes_nothing(here, state):
    await begin(here)
    assert await here.flows.take(state, SESSION) is None
    assert await here.flows.take(STATE, SESSION) is not None


async def test_a_flow_lasts_ten_minutes(here, wall_clock):
    await begin(here, "one")
    await begin(here, "two")
    wall_clock.forward(minutes=9, seconds=59)
    assert await here.flows.take("one", SESSION) is not None
    wall_clock.forward(seconds=1)
    assert await here.flows.take("two", SESSION) is None


async def test_what_is_too_old_goes_with_the_next_that_begins(stores, wall_clock):
    await begin(stores, "one")
    wall_clock.forward(minutes=5)
    await begin(stores, "two", organization="bolt")
    wall_clock.forward(minutes=5)
    await begin(stores, "three")
    assert sorted(row["organization"] for row in await rows(stores)) == ["acme", "bolt"]


async def test_a_flow_of_another_row_or_key_is_as_good_as_none(here):
    await begin(here, "one")
    await begin(here, "two", organization="bolt")
    first, second = sorted(await rows(here), key=lambda row: row["organization"])
    async with here.store.write() as connection:
        swap = update(oauth_flows).where(oauth_flows.c.state_hash == second["state_hash"])
        await connection.execute(swap.values(flow_sealed=first["flow_sealed"]))
    assert await here.flows.take("two", SESSION) is None
    blind = stores_over(here.store, keys=[Secret(generate_key())], now=here.now)
    assert await blind.flows.take("one", SESSION) is None
    with pytest.raises(ConfigurationError):
        await begin(stores_over(here.store, keys=[]))
