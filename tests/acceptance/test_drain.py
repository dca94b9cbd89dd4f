"""SIGTERM while a send hangs: the process ends in time, and what became of that mail is known to be unknown."""

import pytest

from consumer import names
from deploy.local.ports import LOOPBACK, free_block
from tests.accounting import settled
from tests.fakes.sink import Later, Wire
from tests.running import clock
from tests.running_broker import an_event, depths, publish, wait_queues
from tests.waiting import eventually_blocking


@pytest.mark.alone
@pytest.mark.timeout(60)
def test_a_drain_ends_in_time_and_settles_a_send_that_hangs(vhost, sink, launch):
    sink.behave = lambda phase, argument: (
        Wire.HANG if phase == "BODY" and argument.startswith("hang") and first_time(argument) else None
    )
    seen = set()

    def first_time(argument):
        fresh = argument not in seen
        seen.add(argument)
        return fresh

    settings = {"drain_seconds": 5, "unknown_pause": 2, "default_smtp_connections": 2}
    consumer = launch(vhost, **settings).start()
    addresses = ["hang1@example.org", "hang2@example.org", *(f"e{number}@example.org" for number in range(40))]
    publish(vhost, (an_event(number, "acme", recipient=address) for number, address in enumerate(addresses)))
    eventually_blocking(lambda: len(seen) == 2, what="both sends hang")
    asked = clock()
    assert consumer.stop(15) == 0
    assert clock() - asked < 6.5
    left = depths(vhost, [*wait_queues(), names.DEAD])
    assert names.DEAD not in left
    unknown = [line for line in consumer.lines() if line.get("reason") == "outcome_unknown"]
    assert sorted(line["event_id"] for line in unknown) == ["event-0", "event-1"]
    # Everything is there for the next one, and the unknown ones are sent once more.
    consumer.start(ready=False)
    eventually_blocking(lambda: settled(vhost, sink, addresses), 30, what="everything is settled")
    assert set(sink.recipients().values()) == {1}


@pytest.mark.timeout(60)
def test_a_drain_without_mails_under_way_is_quick(vhost, launch):
    consumer = launch(vhost).start()
    asked = clock()
    assert consumer.stop() == 0
    assert clock() - asked < 5


@pytest.mark.timeout(60)
def test_a_consumer_that_still_waits_for_its_broker_ends_at_once(launch):
    consumer = launch(f"amqp://guest:guest@{LOOPBACK}:{free_block(1)}/").start(ready=False)
    eventually_blocking(lambda: consumer.lines("the broker cannot be used; waiting for it"), 20)
    asked = clock()
    assert consumer.stop() == 0
    assert clock() - asked < 5


@pytest.mark.alone
@pytest.mark.timeout(60)
def test_a_drain_ends_in_time_while_the_broker_stands_still(own_node, sink, launch):
    url = own_node.add_vhost("still")
    sink.behave = lambda phase, argument: Later(0.5) if phase == "BODY" else None
    consumer = launch(url, drain_seconds=6).start()
    addresses = [f"e{number}@example.org" for number in range(40)]
    publish(url, (an_event(number, f"org-{number}") for number in range(40)))
    eventually_blocking(lambda: len(sink.taken) >= 8, what="mails are under way")
    own_node.freeze()
    try:
        asked = clock()
        assert consumer.stop(30) == 0
        assert clock() - asked < 6 + 2
    finally:
        own_node.thaw()
    consumer.start(ready=False)
    eventually_blocking(lambda: settled(url, sink, addresses), 30, what="everything is settled")
    assert set(sink.recipients()) == set(addresses)
    # What was sent while the broker did not hear of it comes twice: the ledger will know it.
    assert sum(count - 1 for count in sink.recipients().values()) <= 16
    own_node.delete_vhost("still")
