"""What a lane leaves for the next process, and that the limits hold across the hand-over."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.limits import DayUnit, Limits
from consumer.lane_line import Aside, Stand
from consumer.lane_memory import Memory, from_bytes, to_bytes
from tests.lane_driving import DEADLINE, WALL, Driven
from transports.errors import Code, Throttled

MOMENTS = st.integers(-90_000_000, 90_000_000).map(lambda after: WALL + after / 1000)


def reread(memory) -> Any:
    return from_bytes(to_bytes(memory))


def near(left, right):
    return left == pytest.approx(right, abs=0.0021)


@given(
    st.builds(
        Memory,
        owner=st.text(max_size=20),
        at=st.just(WALL),
        last_start=MOMENTS,
        busy=st.integers(1, 100),
        busy_until=MOMENTS,
        ends=st.lists(st.integers(0, 60_000).map(lambda ago: WALL - ago / 1000), max_size=120),
        days=st.lists(st.tuples(st.integers(900_000, 1_100_000), st.integers(1, 10_000)), max_size=49),
        high=MOMENTS,
        due=MOMENTS,
        fresh=MOMENTS,
        less=st.integers(1, 50),
        share=st.floats(0.5, 1.0),
        usual=st.floats(0.0, 90.0),
        hold=MOMENTS.filter(lambda moment: moment > WALL + 0.002),
        complained=MOMENTS,
        account=st.text(max_size=20),
    )
)
def test_a_memory_comes_back_to_the_millisecond(memory):
    read = reread(memory)
    assert (read.owner, read.busy, read.less, read.days) == (memory.owner, memory.busy, memory.less, memory.days)
    assert read.account == memory.account
    for name in ("at", "last_start", "busy_until", "high", "due", "fresh", "hold", "complained", "share", "usual"):
        assert near(getattr(read, name), getattr(memory, name))
    assert near(list(read.ends), list(memory.ends))


def test_many_sends_of_a_minute_are_counted_by_the_second_and_never_earlier():
    ends = [WALL - 59 + index / 20 for index in range(1180)]
    read = reread(Memory("one", WALL, ends=ends))
    assert len(to_bytes(read)) < 1000
    assert len(read.ends) == len(ends)
    assert all(0 <= later - earlier <= 1.001 for later, earlier in zip(read.ends, ends, strict=True))


@given(st.binary(max_size=60) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(repr).map(str.encode))
def test_bytes_that_make_no_sense_are_no_memory(raw):
    assert from_bytes(raw) is None


PLAIN = json.loads(to_bytes(Memory("one", WALL, last_start=WALL, ends=[WALL], days=[(1, 1)], busy=1, busy_until=WALL)))


@given(
    st.sampled_from(sorted(PLAIN)),
    st.none() | st.integers() | st.floats() | st.text(max_size=3) | st.lists(st.integers() | st.none(), max_size=4),
)
def test_a_damaged_memory_is_read_or_dropped_and_nothing_else(name, value):
    memory = from_bytes(json.dumps(PLAIN | {name: value}).encode())
    if memory is not None:
        lane = Driven(Limits(4, per_minute=60, per_day=100))
        lane.lane.recall("acme", memory, "two", lane.now, lane.now + lane.wall)
        lane.enter()
        lane.run(DEADLINE + 65)
        assert lane.lane.under_way <= 4


def test_a_memory_is_small():
    lane = Driven(Limits(4, per_minute=60, per_day=2000))
    for _ in range(200):
        lane.enter()
        lane.run(1.03)
        lane.finish()
    assert len(to_bytes(lane.lane.remember("one", lane.now))) < 700


def test_the_minute_before_the_hand_over_counts():
    lane = Driven(Limits(4, per_minute=5))
    for _ in range(5):
        lane.end(lane.enter())
        lane.run(12.5)
    first = lane.sent[0].began
    other = lane.successor()
    place = other.enter()
    other.run(2.1)
    assert other.sent == [] or place.began - first >= 60


def test_the_day_before_the_hand_over_counts():
    lane = Driven(Limits(4, per_day=10, day_unit=DayUnit.RECIPIENTS))
    lane.end(lane.enter(units=9))
    other = lane.successor()
    assert isinstance(other.enter(units=2), Aside)
    assert other.enter(units=1).stand is Stand.UNDER_WAY


def test_after_a_clean_end_the_next_process_goes_on_at_once():
    lane = Driven(Limits(1, per_minute=60))
    lane.end(lane.enter())
    other = lane.successor()
    place = other.enter()
    other.run(1.03)
    assert place.stand is Stand.UNDER_WAY


def test_what_may_still_be_under_way_elsewhere_holds_its_place_for_as_long_as_a_send_may_take():
    lane = Driven(Limits(2, per_minute=60))
    lane.enter()
    lane.run(1.1)
    lane.enter()
    assert lane.lane.under_way == 2
    other = lane.successor(Limits(3, per_minute=60))
    other.run(1.1)
    assert other.enter().stand is Stand.UNDER_WAY
    other.run(1.1)
    other.enter()
    other.run(DEADLINE)
    assert len(other.sent) == 1
    other.run(8)
    assert other.enter().stand is Stand.UNDER_WAY


def test_what_was_under_way_elsewhere_counts_for_a_minute_after_it_may_have_arrived():
    lane = Driven(Limits(4, per_minute=2), asking=False)
    lane.enter()  # near: it may have started right after the memory was written
    other = lane.successor()
    other.run(DEADLINE + 31)
    other.end(other.enter())
    other.run(33)
    assert isinstance(other.enter(), Aside)
    other.run(4)
    assert other.enter().stand is Stand.UNDER_WAY


def test_a_lane_that_was_dropped_and_is_made_again_waits_for_nobody():
    lane = Driven(Limits(1, per_minute=60), asking=False)
    lane.enter()
    other = lane.successor(owner="one")
    assert other.enter().stand is Stand.UNDER_WAY


def test_without_a_rate_or_a_budget_nothing_is_said_of_what_is_under_way():
    lane = Driven(Limits(1))
    lane.enter()
    assert lane.successor().enter().stand is Stand.UNDER_WAY


def test_the_promises_go_on_where_they_were():
    lane = Driven(Limits(4, per_minute=60))
    last = lane.enters(200)[-1].after
    lane.run(20)
    lane.finish()
    other = lane.successor()
    assert other.enters(10)[-1].after > last - 20


def test_a_memory_of_another_account_is_worth_nothing():
    lane = Driven(Limits(4, per_day=1), account="old")
    lane.end(lane.enter())
    assert lane.successor(account="new").enter().stand is Stand.UNDER_WAY
    assert isinstance(lane.successor(account="old").enter(), Aside)
    assert isinstance(lane.successor().enter(), Aside)


def test_a_hold_and_what_was_learnt_go_on():
    lane = Driven(Limits(4))
    lane.end(lane.enter(), Throttled(Code.THROTTLED, retry_after=120.0))
    other = lane.successor()
    assert 119 < other.enter().after < 123
    other.run(121)
    other.enters(4)
    assert len(other.under_way()) == 3


@pytest.mark.parametrize("jump", [-90_000.0, -600.0, 600.0])
def test_a_wall_clock_that_jumped_holds_nothing_for_long(jump):
    lane = Driven(Limits(4, per_minute=60))
    lane.enter()
    lane.run(5)
    lane.wall += jump
    other = lane.successor()
    other.run(DEADLINE + 8)
    assert other.enter().stand is Stand.UNDER_WAY
