"""Who may call a provider for one account: one at first, few at once, nobody after a refusal."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.fakes.smtpd_client import Clock
from tests.waiting import eventually
from transports.account_gate import AccountGate
from transports.errors import (
    AccountProblem,
    Code,
    DeliveryError,
    MessageRefused,
    OutcomeUnknown,
    PlatformProblem,
    Temporary,
    Throttled,
    Unreachable,
)
from transports.holds import Holds

DEAD = AccountProblem(Code.RECONNECTION_NEEDED)
Work = Callable[[], Awaitable[str]]


class Provider:
    """Answers with ``outcome`` once ``open`` is set; counts."""

    def __init__(self) -> None:
        self.outcome: DeliveryError | None = None
        self.calls = self.now = self.most = 0
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self) -> str:
        self.calls += 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.open.wait()
            await asyncio.sleep(0)
            if self.outcome is not None:
                raise self.outcome
            return "done"
        finally:
            self.now -= 1


def gate(clock: Clock | None = None, maximum: int = 4) -> AccountGate:
    return AccountGate("microsoft365", maximum, clock or Clock(), 900.0)


def soon() -> float:
    return asyncio.get_running_loop().time() + 5


async def failing(through: AccountGate, work: Work) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await through.run(work, soon())
    return caught.value


async def test_while_the_grant_is_not_known_to_work_one_goes_alone() -> None:
    provider, through = Provider(), gate()
    provider.open.clear()
    waiting = [asyncio.create_task(through.run(provider, soon())) for _ in range(10)]
    await eventually(lambda: provider.calls)
    assert provider.calls == 1
    provider.open.set()
    assert await asyncio.gather(*waiting) == ["done"] * 10
    assert 1 < provider.most <= 4


@pytest.mark.parametrize(
    "error",
    [
        DEAD,
        AccountProblem(Code.MAILBOX_UNAVAILABLE),
        Unreachable(Code.CONNECT_TIMEOUT),
        PlatformProblem(Code.PLATFORM_CREDENTIALS),
        Temporary(Code.SIGN_IN_UNAVAILABLE),
    ],
)
async def test_a_first_failure_is_everybody_s_who_waits(error: DeliveryError) -> None:
    provider, through = Provider(), gate()
    provider.outcome = error
    failures = await asyncio.gather(*(failing(through, provider) for _ in range(50)))
    assert provider.calls == 1
    assert {(type(each), each.code) for each in failures} == {(type(error), error.code)}


async def test_after_a_silence_one_goes_alone_again() -> None:
    clock, provider = Clock(), Provider()
    through = gate(clock)
    await through.run(provider, soon())
    clock.now += 4.9
    await asyncio.gather(*(through.run(provider, soon()) for _ in range(10)))
    assert provider.most == 4, "it has just worked"
    clock.now += 5
    provider.outcome, provider.calls = DEAD, 0
    await asyncio.gather(*(failing(through, provider) for _ in range(10)))
    assert provider.calls == 1


async def test_a_refused_grant_is_remembered_until_the_pause_is_over() -> None:
    clock, provider = Clock(), Provider()
    through = gate(clock)
    provider.outcome = DEAD
    await failing(through, provider)
    clock.now += 899
    assert (await failing(through, provider)).code is Code.RECONNECTION_NEEDED
    assert provider.calls == 1
    clock.now += 2
    provider.outcome = None
    assert await through.run(provider, soon()) == "done"


async def test_a_sign_in_seen_elsewhere_ends_the_memory() -> None:
    provider, through = Provider(), gate()
    through.learn(DEAD)
    await failing(through, provider)
    through.approve()
    assert await through.run(provider, soon()) == "done"


@pytest.mark.parametrize(
    "error",
    [
        MessageRefused(Code.MESSAGE_REFUSED),
        OutcomeUnknown(Code.OUTCOME_UNKNOWN),
        AccountProblem(Code.SENDER_REFUSED),
        Temporary(Code.UNKNOWN_REPLY),
        Throttled(Code.THROTTLED),
    ],
)
async def test_what_says_nothing_about_the_grant_is_nobody_else_s(error: DeliveryError) -> None:
    provider, through = Provider(), gate()
    provider.outcome = error
    await asyncio.gather(*(failing(through, provider) for _ in range(5)))
    assert provider.calls == 5


@pytest.mark.parametrize(
    "error",
    [Throttled(Code.THROTTLED, retry_after=30), AccountProblem(Code.QUOTA_EXHAUSTED, retry_after=30)],
)
async def test_nobody_calls_before_the_provider_wants_it(error: DeliveryError) -> None:
    clock, provider = Clock(), Provider()
    through = gate(clock)
    provider.outcome = error
    await failing(through, provider)
    clock.now += 20
    held = await failing(through, provider)
    assert (type(held), held.code, held.retry_after) == (type(error), error.code, 10)
    assert provider.calls == 1
    clock.now += 10
    provider.outcome = None
    assert await through.run(provider, soon()) == "done"


async def test_a_wait_outlives_the_transport_and_a_refusal_does_not() -> None:
    clock, provider, holds = Clock(), Provider(), Holds()

    def again(account: str = "one") -> AccountGate:
        return AccountGate("microsoft365", 4, clock, 900.0, holds=holds, account=account)

    provider.outcome = DEAD
    await failing(again(), provider)
    provider.outcome = Throttled(Code.THROTTLED, retry_after=3600)
    await failing(again(), provider)
    assert provider.calls == 2, "a new transport does not know of the refusal"
    clock.now += 1000
    held = await failing(again(), provider)
    assert (held.code, held.retry_after, provider.calls) == (Code.THROTTLED, 2600, 2)
    await failing(again("another"), provider)
    assert provider.calls == 3


async def test_the_platform_s_trouble_is_found_out_by_one_account_for_all() -> None:
    clock, provider, holds = Clock(), Provider(), Holds()

    def of(account: str, platform: bool = True) -> AccountGate:
        return AccountGate("gmail", 4, clock, holds=holds, account=account, platform=platform)

    first = of("one")
    provider.outcome = PlatformProblem(Code.PLATFORM_QUOTA, retry_after=60)
    await failing(first, provider)
    clock.now += 20
    held = await failing(of("two"), provider)
    assert (type(held), held.code, held.retry_after) == (PlatformProblem, Code.PLATFORM_QUOTA, 40)
    assert provider.calls == 1
    provider.outcome = None
    assert await of("three", platform=False).run(provider, soon()) == "done", "it has an app of its own"
    clock.now += 41
    assert await first.run(provider, soon()) == "done"


def test_holds_are_few_and_the_longest_stay() -> None:
    holds = Holds(most=100)
    for n in range(1000):
        holds.add(n, Throttled(Code.THROTTLED, retry_after=1000 + n), now=0)
        assert len(holds) <= 100
    assert holds.held(999, now=1) is not None
    assert holds.held(5, now=1) is None
    holds.add(999, Throttled(Code.THROTTLED, retry_after=1), now=1)
    assert (held := holds.held(999, now=1)) is not None
    assert held.retry_after == 1998, "a shorter wait ends no longer one"
    assert holds.held(999, now=1999) is None


async def test_who_waits_too_long_gets_no_turn() -> None:
    provider, through = Provider(), gate(maximum=1)
    provider.open.clear()
    first = asyncio.create_task(through.run(provider, soon()))
    await eventually(lambda: provider.calls)
    with pytest.raises(Unreachable) as caught:
        await through.run(provider, asyncio.get_running_loop().time() + 0.05)
    assert caught.value.code is Code.NO_CONNECTION_FREE
    provider.open.set()
    assert await first == "done"


async def test_a_cancelled_turn_goes_to_the_next() -> None:
    provider, through = Provider(), gate(maximum=1)
    provider.open.clear()
    first = asyncio.create_task(through.run(provider, soon()))
    await eventually(lambda: provider.calls)
    second = asyncio.create_task(through.run(provider, soon()))
    await asyncio.sleep(0)
    first.cancel()
    provider.open.set()
    assert await second == "done"


async def test_closing_lets_calls_finish_and_nobody_in() -> None:
    provider, through = Provider(), gate()
    await through.run(provider, soon())
    provider.open.clear()
    running = asyncio.create_task(through.run(provider, soon()))
    await eventually(lambda: provider.calls == 2)
    closing = [asyncio.create_task(through.aclose()) for _ in range(2)]
    await asyncio.sleep(0)
    assert not closing[0].done()
    assert (await failing(through, provider)).code is Code.NO_CONNECTION_FREE
    provider.open.set()
    await asyncio.gather(*closing)
    assert await running == "done"
