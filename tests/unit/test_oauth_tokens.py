"""The token source of one process: what it hands out, when it asks the provider, and what it makes of refusals."""

import asyncio
from collections import Counter
from dataclasses import dataclass

import pytest

from config.oauth.tokens import Tokens
from config.oauth.tokens_values import RESULTS, TokenPolicy
from config.oauth.values import AppCredentials, Method, Provider
from config.secrets import Secret
from tests.fakes.tokens import MemoryGrants, Time, TokenService
from transports.errors import AccountProblem, Code, PlatformProblem, Temporary, Throttled

EARLY = TokenPolicy().early
REFUSED = AccountProblem(Code.RECONNECTION_NEEDED, "AADSTS50173")


@dataclass
class Scene:
    """One replica with one grant; ``told`` counts what the metrics were told."""

    time: Time
    grants: MemoryGrants
    service: TokenService
    tokens: Tokens
    told: Counter[str]

    async def token(self, *, refused: str | None = None, insist: bool = False) -> str:
        """The token, with time passing as needed."""
        return await self.time.drive(self.tokens.source("g1", insist=insist).token(refused=refused))

    async def settle(self) -> None:
        """Lets what runs in the background end."""
        await self.time.drive(self.tokens.aclose())


@pytest.fixture
def scene() -> Scene:
    time = Time()
    grants, service, told = MemoryGrants(time), TokenService(time.wait), Counter[str]()
    tokens = Tokens(
        grants,
        {Provider.MICROSOFT: service},
        holder="one",
        on_refresh=lambda _, result: told.update([result]),
        world=time.world(),
    )
    return Scene(time, grants, service, tokens, told)


async def test_a_first_token_is_fetched_and_kept_by_the_store(scene: Scene) -> None:
    scene.grants.add()
    assert await scene.token() == "a1"
    row = scene.grants.cells["g1"].row
    assert (row.version, row.refresh_token, row.access_token) == (2, Secret("r1"), Secret("a1"))
    assert scene.told == {"rotated": 1}


async def test_a_stored_token_serves_without_a_call(scene: Scene) -> None:
    scene.grants.add(access="stored", fresh_for=3000)
    assert await scene.token() == "stored"
    assert scene.service.calls == []


async def test_those_who_wait_share_one_refresh(scene: Scene) -> None:
    scene.grants.add()
    asked = [scene.tokens.source("g1").token() for _ in range(200)]
    assert set(await scene.time.drive(asyncio.gather(*asked))) == {"a1"}
    assert scene.service.calls == ["r0"]


async def test_a_token_in_memory_needs_no_store(scene: Scene) -> None:
    scene.grants.add()
    await scene.token()
    scene.grants.away = 100
    assert await scene.token() == "a1"


async def test_a_token_is_replaced_in_the_background_before_it_ends(scene: Scene) -> None:
    scene.grants.add()
    await scene.token()
    scene.time.now += 3600 - EARLY + 1
    assert await scene.token() == "a1"
    await scene.settle()
    assert await scene.token() == "a2"
    assert scene.service.calls == ["r0", "r1"]


async def test_a_token_with_too_little_time_left_is_not_handed_out(scene: Scene) -> None:
    scene.grants.add()
    await scene.token()
    scene.time.now += 3600 - 30
    assert await scene.token() == "a2"


async def test_a_replicas_wrong_clock_does_not_matter(scene: Scene) -> None:
    scene.grants.add(access="stored", fresh_for=900)
    for wall in (-600.0, 600.0, 86_400.0):
        world = scene.time.world(wall=wall)
        other = Tokens(scene.grants, {Provider.MICROSOFT: scene.service}, holder="other", world=world)
        assert await scene.time.drive(other.source("g1").token()) == "stored"
    assert scene.service.calls == []


async def test_a_machine_that_slept_does_not_hand_out_old_tokens(scene: Scene) -> None:
    wall = 0.0
    world = scene.time.world()
    slept = type(world)(world.clock, lambda: scene.time.now + wall, world.sleep, world.random)
    tokens = Tokens(scene.grants, {Provider.MICROSOFT: scene.service}, holder="one", world=slept)
    scene.grants.add()
    assert await scene.time.drive(tokens.source("g1").token()) == "a1"
    wall = 7200.0
    scene.grants.cells["g1"].access_until = 0.0
    assert await scene.time.drive(tokens.source("g1").token()) == "a2"


async def test_a_refused_token_is_replaced_by_the_stored_one_if_that_is_another(scene: Scene) -> None:
    scene.grants.add(access="old", fresh_for=3000)
    assert await scene.token() == "old"
    scene.grants.add(access="newer", fresh_for=3000, version=2)
    assert await scene.token(refused="old") == "newer"
    assert scene.service.calls == []


async def test_a_refused_token_is_refreshed_once_for_all_who_were_refused(scene: Scene) -> None:
    scene.grants.add(access="old", fresh_for=3000)
    asked = [scene.tokens.source("g1").token(refused="old") for _ in range(50)]
    assert set(await scene.time.drive(asyncio.gather(*asked))) == {"a1"}
    assert scene.service.calls == ["r0"]
    assert await scene.token(refused="old") == "a1"


async def test_a_refusal_is_confirmed_before_the_grant_is_dead(scene: Scene) -> None:
    scene.grants.add()
    scene.service.script.append(REFUSED)
    assert await scene.token() == "a1"
    assert scene.time.slept.count(TokenPolicy().confirm) == 1
    assert scene.told == {"refused": 1, "rotated": 1}


async def test_a_second_refusal_means_that_somebody_must_connect_again(scene: Scene) -> None:
    scene.grants.add()
    scene.service.script.extend([REFUSED, REFUSED])
    with pytest.raises(AccountProblem) as caught:
        await scene.token()
    assert (caught.value.code, caught.value.detail) == (Code.RECONNECTION_NEEDED, "AADSTS50173")
    assert scene.grants.cells["g1"].row.dead is Code.RECONNECTION_NEEDED
    assert scene.told == {"refused": 1, "dead": 1}


async def test_a_dead_grant_answers_at_once_until_its_probe_is_due(scene: Scene) -> None:
    scene.grants.add()
    scene.service.valid.clear()
    for _ in range(20):
        with pytest.raises(AccountProblem):
            await scene.token()
    assert len(scene.service.calls) == 2
    scene.time.now += 3600
    with pytest.raises(AccountProblem):
        await scene.token()
    assert len(scene.service.calls) == 3
    scene.time.now += 3600
    scene.service.valid.add("r0")
    assert await scene.token() == "a1"


async def test_a_person_who_waits_has_a_dead_grant_tried_again(scene: Scene) -> None:
    scene.grants.add()
    scene.service.valid.clear()
    with pytest.raises(AccountProblem):
        await scene.token()
    scene.time.now += 60
    scene.service.valid.add("r0")
    with pytest.raises(AccountProblem):
        await scene.token()
    assert await scene.token(insist=True) == "a1"


async def test_a_new_connection_ends_the_death_at_once(scene: Scene) -> None:
    scene.grants.add()
    scene.service.valid.clear()
    with pytest.raises(AccountProblem):
        await scene.token()
    scene.service.valid.add("new")
    scene.grants.reconnect("new")
    assert await scene.token() == "a1"
    assert scene.service.calls[-1] == "new"


async def test_each_who_asked_gets_an_exception_of_their_own(scene: Scene) -> None:
    scene.grants.add()
    scene.service.valid.clear()
    asked = [scene.tokens.source("g1").token() for _ in range(3)]
    found = await scene.time.drive(asyncio.gather(*asked, return_exceptions=True))
    assert len({id(error) for error in found}) == 3
    assert len(scene.service.calls) == 2


async def test_a_provider_that_is_away_is_not_asked_with_every_mail(scene: Scene) -> None:
    scene.grants.add()
    scene.service.script.extend([Temporary(Code.SIGN_IN_UNAVAILABLE)] * 50)
    for _ in range(10):
        with pytest.raises(Temporary) as caught:
            await scene.token()
    assert len(scene.service.calls) == 1
    assert 0 < (caught.value.retry_after or 0) <= 2
    scene.time.now += 2.1
    with pytest.raises(Temporary):
        await scene.token()
    assert len(scene.service.calls) == 2
    assert scene.grants.cells["g1"].holder == ""


async def test_a_token_endpoint_that_asks_for_time_gets_it(scene: Scene) -> None:
    scene.grants.add()
    scene.service.script.append(Throttled(Code.THROTTLED, retry_after=120))
    for wait in (0, 119):
        scene.time.now += wait
        with pytest.raises(Throttled) as caught:
            await scene.token()
        assert caught.value.retry_after == pytest.approx(120 - wait)
    scene.time.now += 1
    assert await scene.token() == "a1"
    assert scene.told == {"throttled": 1, "rotated": 1}


async def test_our_own_expired_secret_kills_no_grant(scene: Scene) -> None:
    scene.grants.add(access="old", fresh_for=EARLY / 2)
    scene.service.script.extend([PlatformProblem(Code.PLATFORM_CREDENTIALS, "AADSTS7000222")] * 9)
    assert await scene.token() == "old"
    scene.time.now += EARLY
    with pytest.raises(PlatformProblem):
        await scene.token()
    assert scene.grants.cells["g1"].row.dead is None


async def test_an_unknown_refusal_is_counted_and_mail_waits_as_for_an_endpoint_that_is_away(scene: Scene) -> None:
    scene.grants.add()
    scene.service.script.append(Temporary(Code.UNKNOWN_REPLY, "invalid_thing"))
    for _ in range(2):
        with pytest.raises(Temporary) as caught:
            await scene.token()
        assert (caught.value.code, caught.value.detail) == (Code.SIGN_IN_UNAVAILABLE, "invalid_thing")
    assert scene.told == {"unknown": 1}
    assert set(scene.told) <= set(RESULTS)


async def test_an_app_of_the_organization_needs_no_refresh_token(scene: Scene) -> None:
    app = AppCredentials("client", "acme.example", "a@acme.example", Secret("s"))
    scene.grants.add(method=Method.APP, app=app, refresh_token=None)
    assert await scene.token() == "a1"
    assert scene.told == {"ok": 1}


async def test_a_grant_that_is_gone_asks_for_a_connection(scene: Scene) -> None:
    with pytest.raises(AccountProblem):
        await scene.token()


async def test_a_short_lived_token_is_used_and_not_refreshed_in_circles(scene: Scene) -> None:
    scene.grants.add()
    scene.service.lifetime = 40.0
    for _ in range(5):
        assert await scene.token() == "a1"
    await scene.settle()
    assert len(scene.service.calls) == 1


async def test_a_token_without_time_is_none(scene: Scene) -> None:
    scene.grants.add()
    scene.service.lifetime = 0.0
    with pytest.raises(Temporary) as caught:
        await scene.token()
    assert (caught.value.code, caught.value.detail) == (Code.SIGN_IN_UNAVAILABLE, "a token without time")


async def test_who_gives_up_waiting_does_not_stop_the_refresh(scene: Scene) -> None:
    scene.grants.add()
    impatient = asyncio.ensure_future(scene.tokens.source("g1").token())
    await asyncio.sleep(0)
    impatient.cancel()
    assert await scene.token() == "a1"
    assert scene.service.calls == ["r0"]


async def test_a_failure_of_our_own_code_is_nobodys_fault(scene: Scene) -> None:
    scene.grants.add()
    scene.service.script.append(ZeroDivisionError())
    with pytest.raises(PlatformProblem) as caught:
        await scene.token()
    assert caught.value.code is Code.INTERNAL_ERROR
