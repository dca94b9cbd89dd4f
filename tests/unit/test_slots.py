"""Slots: no more mails of an account under way than it has connections, and nothing kept of those that are done."""

import asyncio

import pytest

from consumer.slots import NoSlot, Slots
from tests.waiting import eventually


class Holder:
    """A task that holds a slot until it is told to let go."""

    def __init__(self, slots, key="acme", limit=2, patience=30.0):
        self.go, self.waited, self.holds = asyncio.Event(), None, False
        self.task = asyncio.create_task(self._run(slots, key, limit, patience))

    async def _run(self, slots, key, limit, patience):
        async with slots.hold(key, limit, patience) as self.waited:
            self.holds = True
            await self.go.wait()


async def test_only_as_many_hold_as_the_limit_says_and_the_next_comes_when_one_lets_go():
    slots = Slots()
    holders = [Holder(slots) for _ in range(3)]
    await eventually(lambda: sum(one.holds for one in holders) == 2)
    assert not holders[2].holds
    holders[0].go.set()
    await eventually(lambda: holders[2].holds)
    assert [one.waited for one in holders] == [False, False, True]
    for one in holders:
        one.go.set()
    await asyncio.gather(*(one.task for one in holders))
    assert len(slots) == 0


async def test_accounts_do_not_wait_for_each_other():
    slots = Slots()
    holders = [Holder(slots, key, limit=1) for key in ("acme", "globex")]
    await eventually(lambda: all(one.holds for one in holders))
    for one in holders:
        one.go.set()


async def test_who_waits_too_long_gets_none_and_takes_none_away():
    slots = Slots()
    first = Holder(slots, limit=1)
    await eventually(lambda: first.holds)
    with pytest.raises(NoSlot):
        async with slots.hold("acme", 1, 0.01):
            pytest.fail("there was no slot")
    first.go.set()
    await first.task
    async with slots.hold("acme", 1, 0.01) as waited:
        assert waited is False


async def test_who_is_cancelled_while_waiting_takes_none_away():
    slots = Slots()
    first, second, third = (Holder(slots, limit=1) for _ in range(3))
    await eventually(lambda: first.holds)
    second.task.cancel()
    first.go.set()
    await eventually(lambda: third.holds)
    third.go.set()
    await third.task
    assert len(slots) == 0
