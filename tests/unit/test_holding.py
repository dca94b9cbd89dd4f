"""Waiting in hand while nothing leaves, and never in the way of anybody who could be sent."""

import asyncio

import pytest

from consumer.holding import LOOK, MOST, OTHERS, TURN, PlatformHold, others_leave
from tests.breaking import Clock
from tests.waiting import eventually

RELAY = ("platform:store", "platform:default")
OWN = ("platform:store", "platform:egress")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def holding(clock):
    return PlatformHold(clock, 90.0)


def test_nothing_leaves_when_the_only_way_is_held(holding):
    holding.answered(RELAY)
    holding.held(["platform:default"])
    assert holding.everything()


def test_somebody_who_was_answered_on_another_way_is_not_kept_waiting(holding, clock):
    holding.answered(OWN)
    holding.held(["platform:default"])
    assert not holding.everything()
    clock.now += OTHERS + 1
    assert holding.everything()


def test_a_hold_of_everything_keeps_all_in_hand(holding):
    holding.answered(RELAY)
    holding.answered(OWN)
    holding.held(["platform:store"])
    assert holding.everything()


@pytest.mark.parametrize(("scope", "longest"), [("platform:default", TURN), ("platform:store", MOST)])
def test_what_waits_makes_room_often_if_somebody_else_might_be_sent(holding, clock, scope, longest):
    holding.held([scope])
    seen = []
    for _ in range(int(2 * (longest + LOOK))):
        seen.append(holding.everything())
        clock.now += 1
    assert seen == ([True] * int(longest) + [False] * int(LOOK)) * 2


def test_who_can_be_sent_waits_a_quarter_of_a_minute_at_most_for_the_rest_to_make_room(holding, clock):
    holding.held(["platform:default"])
    for _ in range(int(OTHERS)):
        began = clock.now
        while holding.everything():
            clock.now += 1
        assert clock.now - began <= 15
        clock.now += 1


def test_who_may_leave_is_a_matter_of_scopes_and_time():
    assert others_leave([], [(RELAY, 0.0)], 1.0)
    assert not others_leave(["platform:default"], [(RELAY, 0.0)], 1.0)
    assert others_leave(["platform:default"], [(RELAY, 0.0), (OWN, 0.0)], OTHERS)
    assert not others_leave(["platform:default"], [(OWN, 0.0)], OTHERS + 1)


async def test_whoever_waits_is_woken_when_a_hold_ends(holding):
    holding.held(["platform:default", "platform:store"])
    waits = [asyncio.create_task(holding.wait(60.0)) for _ in range(32)]
    await eventually(lambda: holding.waiting == 32)
    holding.held(["platform:default", "platform:store", "platform:egress"])
    assert holding.waiting == 32
    holding.held(["platform:default"])
    await asyncio.wait_for(asyncio.gather(*waits), 5)
    assert holding.waiting == 0


async def test_a_wait_ends_by_its_time_and_never_later_than_all_make_room(clock):
    asked = []

    def at_once(seconds):
        asked.append(seconds)
        return asyncio.timeout(0)

    holding = PlatformHold(clock, 20.0, bound=at_once)
    holding.held(["platform:store"])
    assert holding.everything()
    await holding.wait(5.0)
    await holding.wait(300.0)
    clock.now += 15
    await holding.wait(300.0)
    assert asked == [5.0, 20.0, 5.0]
    assert holding.waiting == 0
