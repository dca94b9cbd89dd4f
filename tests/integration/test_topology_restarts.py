"""What must not change, or be lost, when the broker is restarted in every way. Slow: each restart takes seconds."""

import json
import time

import pytest

from consumer import names
from consumer.partition import partition_of
from consumer.publisher import Publisher
from consumer.topology import apply_topology, check_topology
from deploy.local.node import PrivateNode
from tests.integration.messages import channel, depths, put
from tests.malformed import full_event
from tests.waiting import eventually_blocking

pytestmark = pytest.mark.slow

PARTITIONS = 8
QUEUES = [names.work_queue(partition) for partition in names.partitions(PARTITIONS)]
ORGANIZATIONS = [f"organization-{number}" for number in range(60)]


def stop_app_and_start_app(node: PrivateNode) -> None:
    node.stop_app()
    node.start_app()


def restart_gracefully(node: PrivateNode) -> None:
    node.restart(graceful=True)


def kill_and_start(node: PrivateNode) -> None:
    node.restart()


@pytest.fixture(scope="module")
def address(own_node: PrivateNode) -> str:
    url = own_node.add_vhost("restarts")
    apply_topology(url, PARTITIONS)
    # A quorum queue declared within 0.5 s before a kill loses its messages (measured, 3.10 to 4.3): not our subject.
    declared = time.monotonic()
    eventually_blocking(lambda: time.monotonic() - declared > 1.5, what="the broker has written down its new queues")
    return url


def ready(url: str) -> None:
    """Waits until every queue has its leader again: the broker answers before they do."""

    def declared() -> bool:
        try:
            return not check_topology(url, PARTITIONS).differences
        except Exception:  # noqa: BLE001 - whatever a starting broker answers
            return False

    eventually_blocking(declared, 60, what="the topology is back")


def assignment(url: str) -> dict[str, str]:
    """Publishes one event for each organisation and tells in which queue it was found."""
    with Publisher(url, partitions=PARTITIONS, timeout=30) as publisher:
        for organization in ORGANIZATIONS:
            publisher.publish({**full_event(), "organizationid": organization})
    found: dict[str, str] = {}
    with channel(url) as on:
        for queue in QUEUES:
            on.basic_consume(queue=queue, no_ack=True, callback=_collector(found, queue))
        while len(found) < len(ORGANIZATIONS):
            on.connection.drain_events(timeout=20)
    return found


def _collector(found: dict[str, str], queue: str):
    def collect(message) -> None:
        found[json.loads(message.body)["organizationid"]] = queue

    return collect


def test_the_assignment_of_organizations_survives_every_kind_of_restart(own_node, address):
    """The consistent-hash exchange moved up to all of 200 organisations at a restart; the header does not."""
    expected = {each: names.work_queue(partition_of(each, PARTITIONS)) for each in ORGANIZATIONS}
    assert assignment(address) == expected
    for restart in (stop_app_and_start_app, kill_and_start, restart_gracefully):
        restart(own_node)
        ready(address)
        assert assignment(address) == expected, restart.__name__


@pytest.mark.parametrize("restart", [stop_app_and_start_app, kill_and_start])
def test_what_expires_while_the_broker_is_down_is_not_lost(own_node, address, restart):
    count = 60
    for number in range(count):
        partition = names.partition_name(number % PARTITIONS)
        put(address, names.LATER, "1" if number % 2 else "5", {names.H_PARTITION: partition}, body=b"%d" % number)
    restart(own_node)
    ready(address)
    try:
        # At-least-once dead-lettering may deliver one twice around a kill, never none.
        eventually_blocking(lambda: sum(depths(address, QUEUES).values()) >= count, 60, what="all came back")
        bodies = set()
        with channel(address) as on:
            for queue in QUEUES:
                on.basic_consume(queue=queue, no_ack=True, callback=lambda message: bodies.add(bytes_of(message.body)))
            while len(bodies) < count:
                on.connection.drain_events(timeout=10)
        assert bodies == {b"%d" % number for number in range(count)}
    finally:
        with channel(address) as on:
            for queue in QUEUES:
                on.queue_purge(queue)


def bytes_of(body: object) -> bytes:
    return body if isinstance(body, bytes) else str(body).encode()
