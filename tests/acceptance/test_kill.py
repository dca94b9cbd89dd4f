"""The consumer is killed while it drains a backlog: nothing may be lost, and only what was in flight may come twice."""

import random

import pytest

from consumer import names
from tests.accounting import account, duplicates_explained, settled
from tests.running import clock
from tests.running_broker import an_event, publish, ready
from tests.waiting import eventually_blocking

CONNECTIONS = 8


def reached(sink, count):
    eventually_blocking(lambda: len(sink.recipients()) >= count, 30, what="part of the backlog is sent")


@pytest.mark.timeout(90)
def test_no_event_is_lost_when_the_consumer_is_killed_twice(vhost, sink, launch):
    consumer = launch(vhost, default_smtp_connections=CONNECTIONS).start()
    expected = [f"e{number}@example.org" for number in range(1500)]
    publish(vhost, (an_event(number, f"org-{number % 97}") for number in range(1500)))
    chance = random.Random(2)
    kills = []
    for share in (0.1, 0.5):
        enough = len(expected) * (share + 0.3 * chance.random())
        reached(sink, enough)
        consumer.kill()
        kills.append(clock())
        consumer.start(ready=False)
    eventually_blocking(lambda: settled(vhost, sink, expected), 60, what="everything is settled")
    found = account(sink, expected)
    assert not found.lost, found
    assert ready(vhost, [names.DEAD]) == 0
    assert len(found.duplicates) <= CONNECTIONS * len(kills), found
    assert duplicates_explained(found, kills), found
    assert not found.unlike, found
