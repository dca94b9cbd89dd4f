"""The token source and its store: leases, crashes, a store that is away, and grants that nobody uses."""

import asyncio

import pytest

from config.errors import StoreUnavailable
from config.oauth.tokens import Tokens
from config.oauth.tokens_values import TokenPolicy
from config.oauth.values import Provider
from config.secrets import Secret
from tests.fakes.tokens import MemoryGrants, Time, TokenService
from transports.errors import AccountProblem, Code, PlatformProblem, Temporary, Throttled

DAY = 86_400.0


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def grants(time: Time) -> MemoryGrants:
    return MemoryGrants(time)


@pytest.fixture
def service(time: Time) -> TokenService:
    return TokenService(time.wait)


def replica(time: Time, grants: MemoryGrants, service: TokenService, name: str = "one") -> Tokens:
    return Tokens(grants, {Provider.MICROSOFT: service}, holder=name, world=time.world())


async def test_replicas_share_one_refresh(time: Time, grants: MemoryGrants, service: TokenService) -> None:
    grants.add()
    replicas = [replica(time, grants, service, f"replica {number}") for number in range(8)]
    asked = [one.source("g1").token() for one in replicas for _ in range(25)]
    assert set(await time.drive(asyncio.gather(*asked))) == {"a1"}
    assert service.calls == ["r0"]
    assert grants.cells["g1"].row.refresh_token == Secret("r1")


async def test_a_replica_that_finds_the_grant_refused_spares_the_others_the_call(
    time: Time, grants: MemoryGrants, service: TokenService
) -> None:
    grants.add()
    service.valid.clear()
    replicas = [replica(time, grants, service, f"replica {number}") for number in range(8)]
    asked = [one.source("g1").token() for one in replicas]
    found = await time.drive(asyncio.gather(*asked, return_exceptions=True))
    assert all(isinstance(error, AccountProblem) for error in found)
    assert len(service.calls) == 2


async def test_nothing_is_handed_out_before_it_is_stored(
    time: Time, grants: MemoryGrants, service: TokenService
) -> None:
    grants.add()
    tokens = replica(time, grants, service)
    flight = asyncio.ensure_future(tokens.source("g1").token())
    while not service.calls:
        await time.drive(time.wait(0.01))
    grants.away = 4
    with pytest.raises(PlatformProblem) as caught:
        await time.drive(flight)
    assert caught.value.code is Code.STORE_UNAVAILABLE
    assert grants.cells["g1"].row.version == 1


async def test_what_could_not_be_stored_is_stored_later_and_not_fetched_again(
    time: Time, grants: MemoryGrants, service: TokenService
) -> None:
    grants.add()
    tokens = replica(time, grants, service)
    flight = asyncio.ensure_future(tokens.source("g1").token())
    while not service.calls:
        await time.drive(time.wait(0.01))
    grants.away = 30
    with pytest.raises(PlatformProblem):
        await time.drive(flight)
    while grants.cells["g1"].row.version == 1:  # in the background, without anybody asking
        await time.drive(time.wait(5))
    assert await time.drive(tokens.source("g1").token()) == "a1"
    assert service.calls == ["r0"]
    await time.drive(tokens.aclose())


async def test_a_store_that_loses_its_answer_has_the_token_all_the_same(
    time: Time, grants: MemoryGrants, service: TokenService
) -> None:
    grants.add()
    tokens = replica(time, grants, service)
    flight = asyncio.ensure_future(tokens.source("g1").token())
    while not service.calls:
        await time.drive(time.wait(0.01))
    grants.away = grants.lost = 1
    assert await time.drive(flight) == "a1"
    assert (service.calls, grants.cells["g1"].row.version) == (["r0"], 2)


async def test_an_old_token_serves_while_the_store_is_away(
    time: Time, grants: MemoryGrants, service: TokenService
) -> None:
    grants.add(access="old", fresh_for=400)
    tokens = replica(time, grants, service)
    assert await time.drive(tokens.source("g1").token()) == "old"
    grants.away = 10_000
    for _ in range(10):
        time.now += 20
        assert await time.drive(tokens.source("g1").token()) == "old"
    time.now += 200
    with pytest.raises(PlatformProblem):
        await time.drive(tokens.source("g1").token())
    time.now += 120
    grants.away = 0
    assert await time.drive(tokens.source("g1").token()) == "a1"


async def test_after_a_crash_between_refresh_and_storing_the_old_token_is_tried_when_the_lease_is_over(
    time: Time, grants: MemoryGrants, service: TokenService
) -> None:
    grants.add()
    assert await time.drive(grants.take_lease("g1", 1, "crashed", 60))
    service.valid.add("rotated and lost")
    before = time.now
    assert await time.drive(replica(time, grants, service).source("g1").token()) == "a1"
    assert 59 < time.now - before < 65


async def test_after_a_crash_that_lost_a_rotation_somebody_must_connect_again(
    time: Time, grants: MemoryGrants, service: TokenService
) -> None:
    grants.add()
    await time.drive(grants.take_lease("g1", 1, "crashed", 60))
    service.valid = {"rotated and lost"}
    tokens = replica(time, grants, service)
    for _ in range(5):
        with pytest.raises(AccountProblem):
            await time.drive(tokens.source("g1").token())
    assert len(service.calls) == 2


@pytest.mark.parametrize("seconds", [61, 75, 90, 130])
async def test_a_grant_is_not_declared_dead_while_another_replica_holds_its_new_token(
    time: Time, grants: MemoryGrants, service: TokenService, seconds: float
) -> None:
    grants.add()
    one, other = replica(time, grants, service), replica(time, grants, service, "other")
    down = False

    async def before() -> None:
        await asyncio.sleep(0)
        if down:
            raise StoreUnavailable("away")

    async def outage() -> None:
        nonlocal down
        await time.wait(0.3)  # the refresh is under way
        down = True
        await time.wait(seconds)
        down = False

    async def ask(tokens: Tokens) -> str:
        while True:
            try:
                return await tokens.source("g1").token()
            except PlatformProblem:
                await time.wait(5)

    async def late() -> str:
        await time.wait(1)
        return await ask(other)

    grants.before = before
    _, first, second = await time.drive(asyncio.gather(outage(), ask(one), late()))
    assert first == second
    assert grants.cells["g1"].row.dead is None


async def test_a_rotation_that_comes_late_is_stronger_than_a_death(
    time: Time, grants: MemoryGrants, service: TokenService
) -> None:
    """The lease ran out while the store was away; another replica met the used token and declared the grant dead."""
    grants.add()
    slow, hasty = replica(time, grants, service, "slow"), TokenPolicy(flush_most=0.0, margin=0.0)
    other = Tokens(grants, {Provider.MICROSOFT: service}, holder="other", policy=hasty, world=time.world())
    flight = asyncio.ensure_future(slow.source("g1").token())
    while not service.calls:
        await time.drive(time.wait(0.01))
    grants.away = 4
    with pytest.raises(PlatformProblem):
        await time.drive(flight)
    grants.cells["g1"].lease_until = 0.0
    with pytest.raises(AccountProblem):
        await time.drive(other.source("g1").token())
    assert await time.drive(slow.source("g1", insist=True).token()) == "a1"
    assert await time.drive(other.source("g1").token()) == "a1"
    await time.drive(slow.aclose())


async def test_who_waits_for_a_lease_looks_again_ever_less_often_and_not_for_ever(
    time: Time, grants: MemoryGrants, service: TokenService
) -> None:
    grants.add()
    await time.drive(grants.take_lease("g1", 1, "somebody", 10_000))
    with pytest.raises(Temporary):
        await time.drive(replica(time, grants, service).source("g1").token())
    pauses = [pause for pause in time.slept if pause > 0.01]
    assert pauses == sorted(pauses)
    assert max(pauses) == TokenPolicy().poll_most
    assert len(pauses) < 120
    assert service.calls == []


async def test_grants_that_nobody_used_are_refreshed(time: Time, grants: MemoryGrants, service: TokenService) -> None:
    for name in ("g1", "g2"):
        grants.add(name, refresh_token=Secret(f"of {name}"), organization=f"org of {name}")
    service.valid = {"of g1"}
    grants.cells["g2"].refreshed_at = time.now
    tokens = replica(time, grants, service)
    assert await time.drive(tokens.refresh_idle()) == []
    time.now += 60 * DAY + 1
    first, second = await time.drive(tokens.refresh_idle())
    assert (first.grant, first.organization, first.failure) == ("g1", "org of g1", None)
    assert (second.grant, second.organization) == ("g2", "org of g2")
    assert second.failure is not None
    assert second.failure.of_account
    assert await time.drive(tokens.refresh_idle()) == []


async def test_idle_grants_wait_while_the_provider_is_away(
    time: Time, grants: MemoryGrants, service: TokenService
) -> None:
    for number in range(5):
        grants.add(f"g{number}")
    time.now += 61 * DAY
    service.script.extend([Throttled(Code.THROTTLED, retry_after=60)] * 9)
    tokens = replica(time, grants, service)
    done = await time.drive(tokens.refresh_idle())
    assert len(done) == len(service.calls) == 1


async def test_idle_grants_that_always_fail_keep_no_other_from_its_turn(
    time: Time, grants: MemoryGrants, service: TokenService
) -> None:
    for number in range(6):
        grants.add(f"g{number}", refresh_token=Secret(f"r{number}"))
        grants.cells[f"g{number}"].refreshed_at = time.now + number
    time.now += 61 * DAY
    service.valid = {"r5"}
    grants.sealed_otherwise = {"g0", "g1"}
    service.script.extend([Temporary(Code.UNKNOWN_REPLY, "an unknown error")] * 3)
    tokens = replica(time, grants, service)
    rounds = [await time.drive(tokens.refresh_idle(2)) for _ in range(3)]
    assert [[idle.grant for idle in done] for done in rounds] == [[], ["g2", "g3"], ["g4", "g5"]]
    assert rounds[2][1].failure is None
    for _ in range(12):
        time.now += 3600
        await time.drive(tokens.refresh_idle(50))
    assert service.calls.count("r2") > 1, "it is tried again some time"


async def test_a_provider_that_is_away_keeps_no_grant_of_another_from_its_turn(
    time: Time, grants: MemoryGrants, service: TokenService
) -> None:
    google = TokenService(time.wait)
    for number in range(4):
        grants.add(f"g{number}", provider=Provider.GOOGLE if number % 2 else Provider.MICROSOFT)
    time.now += 61 * DAY
    service.script.extend([Temporary(Code.SIGN_IN_UNAVAILABLE)] * 9)
    google.rotates = False
    both = {Provider.MICROSOFT: service, Provider.GOOGLE: google}
    tokens = Tokens(grants, both, holder="one", world=time.world())
    done = await time.drive(tokens.refresh_idle())
    assert [(idle.grant, idle.failure is None) for idle in done] == [("g0", False), ("g1", True), ("g3", True)]


async def test_closing_waits_for_what_is_under_way(time: Time, grants: MemoryGrants, service: TokenService) -> None:
    grants.add()
    tokens = replica(time, grants, service)
    flight = asyncio.ensure_future(tokens.source("g1").token())
    while not service.calls:
        await time.drive(time.wait(0.01))
    await time.drive(tokens.aclose())
    assert await flight == "a1"
    assert grants.cells["g1"].row.version == 2


async def test_memory_of_grants_is_given_up(time: Time, grants: MemoryGrants, service: TokenService) -> None:
    service.rotates = False
    tokens = replica(time, grants, service)
    for number in range(1500):
        grants.add(f"g{number}", access=f"t{number}", fresh_for=100)
        await tokens.source(f"g{number}").token()
        time.now += 1
    assert len(tokens._grants) < 1100
