"""The publisher and a broker that is killed or frozen, and a broker with TLS. Slow: nodes of its own."""

import threading
import time

import pytest

from consumer import names
from consumer.publisher import Publisher, PublishUnavailable
from consumer.topology import BrokerUnavailable, apply_topology, check_topology
from deploy.local.node import PrivateNode
from tests.integration.messages import channel, depths
from tests.malformed import full_event
from tests.waiting import eventually_blocking

pytestmark = pytest.mark.slow

PARTITIONS = 2
QUEUES = [names.work_queue(partition) for partition in names.partitions(PARTITIONS)]


def test_what_was_confirmed_survives_a_killed_broker_and_publishing_goes_on(own_node):
    url = own_node.add_vhost("killed")
    apply_topology(url, PARTITIONS)
    declared = time.monotonic()
    eventually_blocking(lambda: time.monotonic() - declared > 1.5, what="the broker has written down its new queues")
    confirmed: list[str] = []
    stop = threading.Event()

    def publish_all(publisher: Publisher) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            try:
                publisher.publish(full_event(number))
            except PublishUnavailable:
                continue
            confirmed.append(f"event-{number}")

    with Publisher(url, partitions=PARTITIONS, timeout=3) as publisher:
        thread = threading.Thread(target=publish_all, args=(publisher,))
        thread.start()
        eventually_blocking(lambda: len(confirmed) > 100, what="some are confirmed")
        own_node.kill()
        at_kill = len(confirmed)
        own_node.start()
        eventually_blocking(lambda: len(confirmed) > at_kill + 100, 60, what="publishing goes on by itself")
        stop.set()
        thread.join(30)
    found: set[str] = set()
    expected = sum(depths(url, QUEUES).values())
    seen: list[str] = []
    with channel(url) as on:
        for queue in QUEUES:
            on.basic_consume(
                queue=queue, no_ack=True, callback=lambda message: seen.append(message.properties["message_id"])
            )
        while len(seen) < expected:
            on.connection.drain_events(timeout=10)
    found = set(seen)
    assert set(confirmed) <= found


def test_a_broker_with_tls_is_verified(tls):
    node = PrivateNode(tls=tls.for_broker())
    with node:
        node.add_vhost("tls")
        url = node.amqps_url("tls")
        apply_topology(url, PARTITIONS, ca_file=tls.ca_file)
        with Publisher(url, partitions=PARTITIONS, ca_file=tls.ca_file) as publisher:
            publisher.publish(full_event())
            assert sum(each.problem is None for each in publisher.publish_many([full_event(1)])) == 1
        with pytest.raises(BrokerUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
            check_topology(url, PARTITIONS)
        with Publisher(url, timeout=1) as publisher, pytest.raises(PublishUnavailable):
            publisher.publish(full_event())
