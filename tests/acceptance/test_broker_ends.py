"""The broker goes away and comes back while a backlog is drained; the consumer stays and nothing is lost or doubled."""

import asyncio

import pytest

from consumer import names
from tests.accounting import account, per_recipient, settled
from tests.fakes.sink import Later
from tests.running import clock
from tests.running_broker import an_event, publish, ready
from tests.waiting import eventually_blocking, remains

EVENTS = 1000
DECLARED_FOR = 1.0
"""Seconds a quorum queue must exist before its node may be killed: younger ones lose what was confirmed."""


def reached(sink, count):
    eventually_blocking(lambda: len(sink.recipients()) >= count, 60, what="part of the backlog is sent")


@pytest.fixture
def own_vhost(own_node):
    url = own_node.add_vhost("ends")
    yield url
    own_node.delete_vhost("ends")


@pytest.mark.slow
@pytest.mark.timeout(150)
def test_no_event_is_lost_or_doubled_when_the_broker_is_killed_and_comes_back(own_node, own_vhost, sink, launch):
    sink.behave = lambda phase, argument: Later(0.02) if phase == "BODY" else None
    consumer = launch(own_vhost).start()
    declared = clock()
    expected = [f"e{number}@example.org" for number in range(EVENTS)]
    publish(own_vhost, (an_event(number, f"org-{number % 97}") for number in range(EVENTS)))
    # Once, because it takes its time; twice, and with orderly stops, in `make chaos`.
    reached(sink, 300)
    eventually_blocking(lambda: clock() - declared > DECLARED_FOR)
    own_node.restart()
    eventually_blocking(lambda: settled(own_vhost, sink, expected), 60, what="everything is settled")
    found = account(sink, expected)
    assert not found.lost, found
    assert not found.duplicates, per_recipient(sink)
    assert ready(own_vhost, [names.DEAD]) == 0
    assert consumer.running
    assert not consumer.exit_codes
    assert consumer.metric("mailroom_handoffs") == EVENTS


@pytest.mark.timeout(90)
def test_no_mail_starts_while_the_broker_takes_no_messages(own_node, own_vhost, sink, launch):
    refusals: list[str] = []
    seconds = 0.5

    def slowly(phase, argument):
        if phase == "RCPT" and refusals:
            return refusals.pop()
        return Later(seconds) if phase == "BODY" else None

    sink.behave = slowly
    consumer = launch(own_vhost).start()
    expected = [f"e{number}@example.org" for number in range(160)]
    publish(own_vhost, (an_event(number, f"org-{number % 97}") for number in range(160)))
    reached(sink, 10)
    # On a busy machine the alarm takes its time, and enough must be left by then.
    seconds = 2.0
    own_node.set_alarm(True)
    seconds = 0.5
    try:
        # The broker blocks a connection when that next publishes: here the retry of a mail that is put off.
        refusals.append("451 4.3.0 not now")
        eventually_blocking(lambda: consumer.metric("mailroom_broker_blocked") == 1, 20, what="publishing is blocked")
        eventually_blocking(lambda: not sink.in_data, what="what was under way has ended")
        started = sink.commands["MAIL"]
        assert len(sink.recipients()) < len(expected) - 8, "nothing is left that could start"
        asyncio.run(remains(lambda: sink.commands["MAIL"] == started, 2.0, what="the number of mails started"))
        assert not consumer.ready()
    finally:
        own_node.set_alarm(False)
    eventually_blocking(lambda: settled(own_vhost, sink, expected), 60, what="everything is settled")
    found = account(sink, expected)
    assert not found.lost, found
    assert not found.duplicates, per_recipient(sink)
