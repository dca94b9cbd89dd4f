"""Changed settings let parked events go: of a few organisations one by one, of many by one look at everything."""

import asyncio
from typing import Any

import pytest

from config.errors import StoreUnavailable
from consumer import names
from consumer.housekeeping import Household, Housekeeping
from consumer.metrics import Metrics
from consumer.partition import partition_of
from tests.builders import NOON
from tests.waiting import eventually

PARTITIONS = 4
EVERYTHING = list(names.partitions(PARTITIONS))


class Yard:
    """In place of parking and self-check: every partition is ours; it notes what is asked and swept."""

    def __init__(self):
        self.asked, self.swept = [], []

    def active(self, partition):
        return True

    async def mended(self, organization):
        self.asked.append(organization)
        return True

    async def sweep(self, partition):
        self.swept.append(partition)


class Reports:
    """In place of the directory: reports what it is given, a list of names or ``None`` for too many."""

    def __init__(self):
        self.next = ()

    async def refresh(self):
        if isinstance(self.next, Exception):
            raise self.next
        return self.next


@pytest.fixture
def yard():
    return Yard()


@pytest.fixture
def reports():
    return Reports()


@pytest.fixture
async def housekeeping(yard, reports):
    # What these tests do not reach is not there.
    nothing: Any = None
    household = Household(
        nothing,
        reports,
        nothing,
        nothing,
        yard,
        nothing,
        yard,
        Metrics("test"),
        PARTITIONS,
        lambda: NOON,
        lambda: 0.0,
    )
    made = Housekeeping(household, nothing)
    sweeps = asyncio.create_task(made._sweeps())
    yield made
    sweeps.cancel()
    await asyncio.gather(sweeps, return_exceptions=True)


async def test_the_partition_of_a_changed_organisation_is_swept_at_once(housekeeping, yard, reports):
    reports.next = ("acme",)
    await housekeeping.refresh()
    await eventually(lambda: yard.swept)
    assert (yard.asked, yard.swept) == (["acme"], [partition_of("acme", PARTITIONS)])


@pytest.mark.parametrize("many", [None, tuple(f"org-{number}" for number in range(1001))], ids=["unnamed", "named"])
async def test_after_a_change_of_very_many_everything_is_swept_and_none_asked_for(housekeeping, yard, reports, many):
    reports.next = many
    await housekeeping.refresh()
    await eventually(lambda: len(yard.swept) == PARTITIONS)
    assert (yard.asked, yard.swept) == ([], EVERYTHING)
    # Changes that go on do not make it sweep all the time.
    await housekeeping.refresh()
    reports.next = ("acme",)
    await housekeeping.refresh()
    await eventually(lambda: yard.asked)
    assert yard.swept[PARTITIONS:] == [partition_of("acme", PARTITIONS)]


async def test_a_store_that_is_away_is_noted_and_nothing_is_swept_for_it(housekeeping, yard, reports):
    await housekeeping.refresh()
    assert housekeeping.store_available
    reports.next = StoreUnavailable("away")
    await housekeeping.refresh()
    assert not housekeeping.store_available
    assert yard.swept == []


async def test_what_is_done_seldom_begins_at_a_moment_that_chance_chooses(housekeeping):
    rounds = []

    async def work():
        rounds.append("round")

    # By these tests' chance: at once.
    seldom = asyncio.create_task(housekeeping._repeat_seldom("seldom", work, 3600.0))
    await eventually(lambda: rounds)
    seldom.cancel()
    await asyncio.gather(seldom, return_exceptions=True)
    assert len(rounds) == 1
