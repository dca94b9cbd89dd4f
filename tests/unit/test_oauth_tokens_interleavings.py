"""Whatever the order of events: no version is refreshed twice at a time, and nothing unstored is handed out."""

import asyncio
import random
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from config.oauth.tokens import Tokens
from config.oauth.values import Provider
from tests.fakes.tokens import MemoryGrants, Time, TokenService
from transports.errors import AccountProblem, Code, DeliveryError, Temporary

REPLICAS = 3
steps = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "ask", "refused", "away", "lost", "throttled", "later", "expired"]),
        st.integers(0, REPLICAS - 1),
        st.sampled_from([0.0, 0.1, 0.3, 1.0, 20.0]),
    ),
    max_size=25,
)


@dataclass
class Run:
    """Some replicas over one store with random delays everywhere; ``given`` are the tokens handed out."""

    seed: int
    given: list[str] = field(default_factory=list)
    errors: list[DeliveryError] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.time = Time()
        self.grants = MemoryGrants(self.time, before=self.delay)
        self.service = TokenService(self.time.wait)
        self.replicas = [
            Tokens(
                self.grants,
                {Provider.MICROSOFT: self.service},
                holder=f"replica {number}",
                world=self.time.world(wall=self.chance.uniform(-600, 600), random=self.chance.random),
            )
            for number in range(REPLICAS)
        ]
        self.grants.add()

    async def delay(self) -> None:
        """What the store takes for a verb."""
        await self.time.wait(self.chance.choice([0.0, 0.001, 0.05, 0.2]))

    async def ask(self, number: int, refused: str | None) -> None:
        """One who needs a token."""
        try:
            found = await self.replicas[number].source("g1").token(refused=refused)
        except DeliveryError as error:
            self.errors.append(error)
            return
        assert found in self.grants.kept, "a token that the store does not have"
        assert found != refused
        self.given.append(found)

    async def play(self, script: list[tuple[str, int, float]]) -> None:
        """The steps of a script, each some seconds after the one before; then everything comes to its end."""
        asked = []
        for what, number, pause in script:
            match what:
                case "ask":
                    asked.append(asyncio.ensure_future(self.ask(number, None)))
                case "refused":
                    asked.append(asyncio.ensure_future(self.ask(number, self.given[-1] if self.given else "none")))
                case "away" | "lost":
                    self.grants.away += 8
                    self.grants.lost += 8 * (what == "lost")
                case "throttled":
                    self.service.script.append(Temporary(Code.SIGN_IN_UNAVAILABLE, retry_after=5))
                case "later":
                    await self.time.wait(1000)
                case "expired":
                    self.grants.cells["g1"].access_until = 0.0
            await self.time.wait(pause)
        await asyncio.gather(*asked)
        self.grants.away = self.grants.lost = 0
        self.service.script.clear()
        await self.time.wait(100)
        for number in range(REPLICAS):
            await self.ask(number, None)
        for replica in self.replicas:
            await replica.aclose()


@settings(max_examples=60, deadline=None)
@given(steps, st.integers(0, 2**32))
async def test_no_order_of_events_loses_a_grant(script: list[tuple[str, int, float]], seed: int) -> None:
    run = Run(seed)
    await run.time.drive(run.play(script))
    assert run.service.overlaps == 0
    assert len(run.service.calls) - len(set(run.service.calls)) <= sum(step[0] == "throttled" for step in script)
    assert not [error for error in run.errors if isinstance(error, AccountProblem)]
    assert run.grants.cells["g1"].row.dead is None
    assert len(run.given) >= REPLICAS


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, REPLICAS - 1), st.sampled_from([0.0, 0.1, 0.3])), min_size=2), st.integers())
async def test_no_order_of_events_asks_for_a_dead_grant_more_than_twice(
    script: list[tuple[int, float]], seed: int
) -> None:
    run = Run(seed)
    run.service.valid.clear()
    await run.time.drive(run.play([("ask", number, pause) for number, pause in script]))
    assert run.service.calls == ["r0", "r0"]
    assert len(run.errors) == len(script) + REPLICAS
    assert run.grants.cells["g1"].holder == ""
