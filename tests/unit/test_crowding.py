"""When a partition's queue is a long one: by how long it would take at its own pace, and only after a full prefetch."""

import asyncio
import itertools
from collections import Counter

import pytest

from consumer.broker import BrokerUnavailable, QueueMissing, QueueState
from consumer.crowding import ASK_EVERY, LOOK_EVERY, Crowding
from tests.waiting import eventually

PREFETCH = 32


class Partition:
    """A partition as worker and broker would show it; ``pass_by`` lets time go on at a pace of settled mails."""

    def __init__(self):
        self.now = 100.0
        self.held: Counter[str] = Counter()
        self.settled: Counter[str] = Counter()
        self.ready: Counter[str] = Counter()
        self.asked: list[tuple[float, str]] = []
        self.fault: Exception | None = None
        self.crowding = Crowding(
            self,
            ("00", "01"),
            prefetch=PREFETCH,
            held=lambda partition: self.held[partition],
            settled=lambda partition: self.settled[partition],
            clock=lambda: self.now,
            pause=self.pause,
        )

    async def queue_state(self, queue):
        partition = queue.rpartition(".")[2]
        self.asked.append((self.now, partition))
        if self.fault is not None:
            raise self.fault
        return QueueState(ready=self.ready[partition], consumers=1)

    async def pause(self, seconds):
        self.now += seconds
        await asyncio.sleep(0)

    async def pass_by(self, seconds, *, pace=0.0):
        for _ in range(round(seconds / LOOK_EVERY)):
            self.now += LOOK_EVERY
            self.settled["00"] += round(pace * LOOK_EVERY)
            await self.crowding.look()

    def crowded(self):
        return self.crowding.crowded("00")


@pytest.fixture
def at():
    return Partition()


async def fill(at, ready, *, pace, seconds=1.0):
    at.held["00"], at.ready["00"] = PREFETCH, ready
    await at.pass_by(seconds, pace=pace)


async def test_nothing_is_asked_while_the_prefetch_is_not_full(at):
    at.held["00"], at.ready["00"] = PREFETCH // 2, 50_000
    await at.pass_by(10)
    assert at.asked == []
    assert not at.crowded()


async def test_a_prefetch_that_was_full_for_less_than_half_a_second_is_a_burst(at):
    for _ in range(5):
        at.held["00"], at.ready["00"] = PREFETCH, 50_000
        await at.pass_by(ASK_EVERY - LOOK_EVERY)
        at.held["00"] = 3
        await at.pass_by(LOOK_EVERY)
    assert at.asked == []


async def test_a_queue_of_more_than_four_seconds_is_a_long_one_and_it_is_known_within_a_second(at):
    await fill(at, 401, pace=100)
    assert at.crowded()
    assert at.crowding.count() == 1


async def test_a_queue_that_its_pace_empties_within_four_seconds_is_not(at):
    await fill(at, 399, pace=100, seconds=10)
    assert not at.crowded()


async def test_a_queue_not_longer_than_the_prefetch_is_never_a_long_one(at):
    await fill(at, PREFETCH, pace=0, seconds=10)
    assert not at.crowded()


async def test_one_more_is_when_nothing_moves(at):
    await fill(at, PREFETCH + 1, pace=0)
    assert at.crowded()


async def test_deliveries_on_their_way_do_not_make_a_full_prefetch_look_empty(at):
    at.held["00"], at.ready["00"] = PREFETCH - 6, 50_000
    await at.pass_by(1, pace=1000)
    assert at.crowded()


async def test_the_pace_is_that_of_the_last_two_seconds(at):
    await fill(at, 300, pace=100, seconds=10)
    assert not at.crowded()
    await at.pass_by(2.5, pace=50)
    assert at.crowded()


async def test_it_ends_below_a_quarter_and_not_before_however_fast_it_is_skimmed(at):
    await fill(at, 50_000, pace=100)
    assert at.crowded()
    for ready in (40_000, 1_000, 110):
        at.ready["00"] = ready
        await at.pass_by(1, pace=8_000)
        assert at.crowded(), ready
    at.ready["00"] = 90
    await at.pass_by(1, pace=8_000)
    assert not at.crowded()
    assert at.crowding.count() == 0


async def test_a_crowd_may_come_again(at):
    await fill(at, 1_000, pace=100)
    at.ready["00"] = 0
    await at.pass_by(1)
    assert not at.crowded()
    await fill(at, 1_000, pace=100)
    assert at.crowded()


async def test_a_partition_that_gives_nothing_any_more_is_not_crowded_here(at):
    await fill(at, 50_000, pace=100)
    at.held["00"] = 0
    await at.pass_by(0.5)
    assert at.crowded()
    await at.pass_by(1)
    assert not at.crowded()
    asked = len(at.asked)
    await at.pass_by(5)
    assert len(at.asked) == asked


async def test_each_queue_is_asked_for_at_most_every_half_second(at):
    at.held["01"], at.ready["01"] = PREFETCH, 0
    await fill(at, 50_000, pace=100, seconds=5)
    for partition in ("00", "01"):
        moments = [moment for moment, name in at.asked if name == partition]
        assert 8 <= len(moments) <= 10
        assert min(later - sooner for sooner, later in itertools.pairwise(moments)) > ASK_EVERY - 0.01


async def test_one_partition_says_nothing_of_another(at):
    at.held["01"] = PREFETCH
    await fill(at, 50_000, pace=100)
    assert not at.crowding.crowded("01")
    assert not at.crowding.crowded("")
    assert not at.crowding.crowded("99")


@pytest.mark.parametrize("fault", [BrokerUnavailable("gone"), QueueMissing("mailroom.work.00")])
async def test_a_question_without_an_answer_changes_nothing(at, fault):
    at.fault = fault
    await fill(at, 50_000, pace=100)
    assert not at.crowded()
    at.fault = None
    await at.pass_by(1, pace=100)
    assert at.crowded()
    at.fault = fault
    at.ready["00"] = 0
    await at.pass_by(1, pace=100)
    assert at.crowded()


async def test_it_watches_until_it_is_cancelled(at):
    at.held["00"], at.ready["00"] = PREFETCH, 50_000
    watching = asyncio.create_task(at.crowding.run())
    await eventually(at.crowded)
    at.ready["00"] = 0
    await eventually(lambda: not at.crowded())
    watching.cancel()
    await asyncio.wait((watching,))
    assert watching.cancelled()
