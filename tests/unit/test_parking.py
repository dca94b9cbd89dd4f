"""Sweeps of parked events whose channel is lost in the middle, and the end of a stay in several parts."""

import itertools
from collections import defaultdict
from datetime import timedelta

import pytest

from config.errors import SettingsUnreadable
from consumer import names
from consumer.attempt import Attempt, write
from consumer.parking import Parking, Sweep
from tests.builders import NOON, event_bytes
from tests.doubles import ParkedQueue
from tests.unit.test_delivery import DEFAULT

HOUR = timedelta(hours=1)


class Unconfigured:
    """A directory in which no organisation has configured anything; ``then`` happens while it is asked."""

    def __init__(self):
        self.then = lambda: None

    async def get(self, organization):
        self.then()


def parked(number, **past):
    """A message that was parked an hour ago."""
    attempt = Attempt(NOON - timedelta(days=30), parked_at=NOON - HOUR, copy=f"copy-{number}", **past)
    return event_bytes(id=f"event-{number}"), write(attempt) | {names.H_ORGANIZATION: "globex"}


def parking(queue, directory):
    numbers = itertools.count(1)
    return Parking(
        queue, directory, default=DEFAULT, now=lambda: NOON,
        new_copy=lambda: f"new-{next(numbers)}",
    )  # fmt: skip


def identifiers(queue):
    """The identifiers of the copies that were published of each event."""
    by_event = defaultdict(list)
    for copy in queue.publish.copies:
        by_event[copy.body].append(copy.headers[names.H_COPY])
    return by_event.values()


def once(happens):
    """Something that happens at the first call only."""
    left = [happens]

    def happen():
        while left:
            left.pop()()

    return happen


async def test_a_channel_lost_in_the_middle_of_a_sweep_releases_nobody_under_two_identifiers():
    queue = ParkedQueue(*map(parked, range(10)))
    queue.publish.then = once(queue.lose_channel)
    sweeps = parking(queue, Unconfigured())
    assert (await sweeps.sweep("00"), await sweeps.sweep("00")) == (Sweep(released=1), Sweep(released=10))
    assert (await queue.queue_state("")).ready == 0
    released = sorted(identifiers(queue), key=len)
    # Only the one between whose confirm and ack the channel was lost is there twice, and the worker can tell.
    assert [len(copies) for copies in released] == [1] * 9 + [2]
    assert [len(set(copies)) for copies in released] == [1] * 10
    assert len({copies[0] for copies in released}) == 10


async def test_a_sweep_goes_on_after_an_event_that_was_no_longer_its_own():
    queue, directory = ParkedQueue(*map(parked, range(3))), Unconfigured()
    directory.then = once(queue.lose_channel)
    sweeps = parking(queue, directory)
    for _ in range(2):
        await sweeps.sweep("00")
    assert (await queue.queue_state("")).ready == 0
    assert [len(copies) for copies in identifiers(queue)] == [1, 1, 1]


class Unreadable:
    """A directory that cannot tell what an organisation has configured."""

    async def get(self, organization):
        raise SettingsUnreadable(organization, "sealed with another key")


@pytest.mark.parametrize(
    ("before", "swept"),
    [
        (timedelta(days=7) - HOUR / 2, Sweep(released=1)),
        (timedelta(days=7) - 2 * HOUR, Sweep(kept=1)),
    ],
    ids=["over seven days", "under seven days"],
)
async def test_what_was_parked_too_long_in_all_goes_back_to_be_given_up(before, swept):
    queue = ParkedQueue(parked(1, paused=before.total_seconds()))
    assert await parking(queue, Unreadable()).sweep("00") == swept
    (copy,) = queue.publish.copies
    assert copy.exchange == (names.SORT if swept.released else names.PARKED)
