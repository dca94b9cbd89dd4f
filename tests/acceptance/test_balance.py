"""Two replicas that start together share the partitions, with nobody to tell them how."""

import pytest

from consumer import names, rendezvous
from tests.accounting import account, settled
from tests.running_broker import an_event, publish
from tests.waiting import eventually_blocking

PARTITIONS = 32


@pytest.mark.versions
@pytest.mark.timeout(90)
def test_replicas_that_start_together_share_the_partitions(vhost, management, sink, launch, together):
    # The queues are there before, so that nobody is first only because it declared them.
    launch(vhost, name="zero").start().stop()
    first, second = together(vhost, "first", "second")
    expected = [f"e{number}@example.org" for number in range(640)]
    publish(vhost, (an_event(number, f"org-{number}") for number in range(640)))
    eventually_blocking(lambda: settled(vhost, sink, expected), 40, what="everything is settled")
    found = account(sink, expected)
    assert not found.lost, found
    assert not found.duplicates, found
    shares = [{line["partition"] for line in replica.lines("handed off")} for replica in (first, second)]
    preferred = {
        partition
        for partition in names.partitions(PARTITIONS)
        if rendezvous.weight("first", partition) >= rendezvous.weight("second", partition)
    }
    if version(management) >= 4:
        assert shares == [preferred, set(names.partitions(PARTITIONS)) - preferred], "exactly as the weights say"
    else:
        assert not shares[0] & shares[1], "an organisation was served by both"
        assert min(map(len, shares)) >= PARTITIONS // 8, "started together, both have a share"


def version(management):
    overview = management.call("GET", "overview")
    return int(overview["rabbitmq_version"].partition(".")[0])
