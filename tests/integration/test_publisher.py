"""The publisher on a real broker: what is on the wire, what comes back as an error, and what it survives."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from consumer import names
from consumer.events import InvalidEvent, parse
from consumer.partition import partition_of
from consumer.publisher import Publisher, PublishRejected, PublishUnavailable, Unroutable
from consumer.topology import apply_topology
from tests.fakes.wire import Direction, Wire
from tests.integration.messages import channel, depths, take
from tests.malformed import full_event, put
from tests.waiting import eventually_blocking

PARTITIONS = 4
QUEUES = [names.work_queue(partition) for partition in names.partitions(PARTITIONS)]


@pytest.fixture
def laid(vhost):
    """The address of a virtual host with the topology."""
    apply_topology(vhost, PARTITIONS)
    return vhost


def event(number: int, organization: str = "acme"):
    return {**full_event(number), "organizationid": organization}


def total(url: str) -> int:
    return sum(depths(url, QUEUES).values())


def identifiers(url: str) -> list[str]:
    """Takes everything out of the work queues."""
    found: list[str] = []
    expected = total(url)
    with channel(url) as on:
        for queue in QUEUES:
            on.basic_consume(
                queue=queue, no_ack=True, callback=lambda message: found.append(message.properties["message_id"])
            )
        while len(found) < expected:
            on.connection.drain_events(timeout=10)
    return found


def through(wire: Wire, url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{wire.port}"))


@asynccontextmanager
async def publisher_for(urls, timeout: float = 10) -> AsyncIterator[Publisher]:
    """A publisher for a test whose wire runs on the loop: it must not be closed on the loop."""
    publisher = Publisher(urls, partitions=PARTITIONS, timeout=timeout)
    try:
        yield publisher
    finally:
        await asyncio.to_thread(publisher.close)


def wire_to(url: str) -> Wire:
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    return Wire(parts.hostname, parts.port)


# -- what is on the wire ---------------------------------------------------------------------------------------------


@pytest.mark.versions
def test_an_event_has_exactly_the_documented_properties(laid):
    with Publisher(laid, partitions=PARTITIONS, now=lambda: 1_790_000_000.5) as publisher:
        publisher.publish(full_event(7))
    found = take(laid, names.work_queue(partition_of("acme", PARTITIONS)))
    assert found is not None
    assert found.properties == {
        "content_type": "application/cloudevents+json",
        "delivery_mode": 2,
        "message_id": "event-7",
        "type": "notification.task.created.v1",
        "timestamp": 1_790_000_000,
    }
    sent_headers = {name: value for name, value in found.headers.items() if not name.startswith("x-")}
    assert sent_headers == {"organizationid": "acme", "mailroom-partition": partition_of("acme", PARTITIONS)}
    assert json.loads(found.body) == full_event(7)


@pytest.mark.parametrize("form", ["object", "text", "bytes", "event", "datetime"])
def test_an_event_can_be_given_in_every_form(laid, form):
    content = full_event(1)
    encoded = json.dumps(content).encode()
    forms: dict[str, Any] = {
        "object": content,
        "text": encoded.decode(),
        "bytes": encoded,
        "event": parse(encoded, {}, max_bytes=100_000),
        "datetime": {**content, "time": datetime(2026, 11, 21, 8, tzinfo=UTC)},
    }
    with Publisher(laid, partitions=PARTITIONS) as publisher:
        publisher.publish(forms[form])
    found = take(laid, names.work_queue(partition_of("acme", PARTITIONS)))
    assert found is not None
    assert parse(found.body, found.headers, max_bytes=100_000) == parse(encoded, {}, max_bytes=100_000)


@pytest.mark.parametrize(
    ("broken", "path"),
    [
        (put(full_event(), ("data", "subject"), "a\nb"), "data.subject"),
        (b"{", ""),
        ("\ud800", ""),
        ({**full_event(), "x": object()}, ""),
        ({**full_event(), "x": float("nan")}, ""),
        ({**full_event(), "time": datetime(2026, 1, 1)}, "time"),  # noqa: DTZ001 - a naive time is the point
        (put(full_event(), ("data", "text"), "x" * 200_000), ""),
    ],
)
def test_an_invalid_event_is_refused_before_anything_is_sent(broken, path):
    nowhere = "amqp://nobody:nothing@127.0.0.1:1/"
    with Publisher(nowhere, max_bytes=100_000) as publisher, pytest.raises(InvalidEvent) as caught:
        publisher.publish(broken)
    assert caught.value.path == path


# -- what comes back as an error -------------------------------------------------------------------------------------


@pytest.mark.versions
def test_without_a_topology_an_event_is_unroutable(vhost):
    with Publisher(vhost) as publisher:
        with pytest.raises(Unroutable, match="does not exist"):
            publisher.publish(full_event())
        with channel(vhost) as on:
            on.exchange_declare(names.NOTIFICATIONS, "topic", durable=True, auto_delete=False)
        with pytest.raises(Unroutable, match="no queue takes the event"):
            publisher.publish(full_event())
        apply_topology(vhost, 32)
        publisher.publish(full_event())


@pytest.mark.versions
def test_a_full_queue_rejects_the_event_and_the_publisher_goes_on(laid):
    with channel(laid) as on:
        arguments = {"x-queue-type": "quorum", "x-max-length": 1, "x-overflow": "reject-publish"}
        on.queue_declare("full", durable=True, auto_delete=False, arguments=arguments)
        on.queue_bind("full", names.NOTIFICATIONS, "#")
    with Publisher(laid, partitions=PARTITIONS) as publisher:

        def rejected() -> bool:
            try:
                publisher.publish(full_event())
            except PublishRejected:
                return True
            return False

        eventually_blocking(rejected, what="the queue is full")
        with channel(laid) as on:
            on.queue_delete("full")
        publisher.publish(full_event())


def test_wrong_credentials_end_at_once_and_are_not_shown(vhost):
    parts = urlsplit(vhost)
    wrong = urlunsplit(parts._replace(netloc=f"nobody:s3cret@{parts.hostname}:{parts.port}"))
    started = time.monotonic()
    with Publisher(wrong, timeout=30) as publisher, pytest.raises(PublishUnavailable) as caught:
        publisher.publish(full_event())
    assert time.monotonic() - started < 10
    assert "s3cret" not in str(caught.value)


def test_an_absent_broker_ends_within_the_timeout():
    started = time.monotonic()
    with (
        Publisher("amqp://u:p@127.0.0.1:1/", timeout=1) as publisher,
        pytest.raises(PublishUnavailable, match="not confirmed within 1 s"),
    ):
        publisher.publish(full_event())
    assert time.monotonic() - started < 3


def test_a_closed_publisher_says_so(laid):
    publisher = Publisher(laid, partitions=PARTITIONS)
    publisher.publish(full_event())
    publisher.close()
    publisher.close()
    with pytest.raises(RuntimeError, match="closed"):
        publisher.publish(full_event())


# -- threads and processes -------------------------------------------------------------------------------------------


def test_many_threads_share_a_publisher_and_its_few_connections(laid):
    with Publisher(laid, partitions=PARTITIONS, connections=3) as publisher, ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(publisher.publish, event(number)) for number in range(200)]:
            done.result()
    assert sorted(identifiers(laid)) == sorted(f"event-{number}" for number in range(200))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_publisher_works_on_both_sides_of_a_fork(laid):
    with Publisher(laid, partitions=PARTITIONS) as publisher:
        publisher.publish(event(1))
        child = os.fork()
        if child == 0:
            status = 1
            try:
                publisher.publish(event(2))
                publisher.close()
                status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        assert status == 0
        # The parent's connection is untouched: with no time to reconnect, only that one can carry the next event.
        publisher._urls = "amqp://u:p@127.0.0.1:1/"
        publisher.publish(event(3))
    assert sorted(identifiers(laid)) == ["event-1", "event-2", "event-3"]


# -- what it survives ------------------------------------------------------------------------------------------------


async def test_a_connection_that_was_cut_while_idle_is_noticed(laid):
    async with wire_to(laid) as wire, publisher_for(through(wire, laid)) as publisher:
        await asyncio.to_thread(publisher.publish, event(1))
        wire.cut()
        await asyncio.to_thread(publisher.publish, event(2))
    assert sorted(await asyncio.to_thread(identifiers, laid)) == ["event-1", "event-2"]


async def test_a_connection_that_breaks_before_the_confirm_is_replaced(laid):
    async with wire_to(laid) as wire, publisher_for(through(wire, laid)) as publisher:
        await asyncio.to_thread(publisher.publish, event(1))
        wire.cut_after(5, Direction.DOWN)
        sent = asyncio.create_task(asyncio.to_thread(publisher.publish, event(2)))
        await asyncio.wait_for(sent, 15)
    # The broker had it when the wire was cut: it may be there twice, and is one event by its id.
    assert set(await asyncio.to_thread(identifiers, laid)) == {"event-1", "event-2"}


async def test_a_silent_broker_ends_within_the_timeout_and_is_used_again_afterwards(laid):
    async with wire_to(laid) as wire, publisher_for(through(wire, laid), timeout=2) as publisher:
        await asyncio.to_thread(publisher.publish, event(1))
        wire.freeze()
        started = time.monotonic()
        with pytest.raises(PublishUnavailable):
            await asyncio.to_thread(publisher.publish, event(2))
        assert time.monotonic() - started < 6
        wire.thaw()
        await asyncio.to_thread(publisher.publish, event(3))
    assert {"event-1", "event-3"} <= set(await asyncio.to_thread(identifiers, laid))


async def test_the_second_address_is_used_when_the_first_is_away(laid):
    async with wire_to(laid) as wire:
        await wire.refuse()
        async with publisher_for([through(wire, laid), laid]) as publisher:
            await asyncio.to_thread(publisher.publish, event(1))
    assert await asyncio.to_thread(identifiers, laid) == ["event-1"]


# -- many at once ----------------------------------------------------------------------------------------------------


@pytest.mark.versions
def test_many_events_are_settled_each_with_its_position(laid):
    events = [event(number, f"organization-{number % 20}") for number in range(1500)]
    events[10] = put(events[10], ("data", "subject"), "a\nb")
    events[1490] = {}
    with Publisher(laid, partitions=PARTITIONS) as publisher:
        settled = list(publisher.publish_many(iter(events), window=100))
    assert sorted(each.position for each in settled) == list(range(1500))
    refused = {each.position: each.problem for each in settled if each.problem}
    assert set(refused) == {10, 1490}
    assert all(isinstance(problem, InvalidEvent) for problem in refused.values())
    assert len(set(identifiers(laid))) == 1498


def test_events_of_an_organization_stay_in_order(laid):
    with Publisher(laid, partitions=PARTITIONS) as publisher:
        assert all(each.problem is None for each in publisher.publish_many(event(number) for number in range(300)))
    assert identifiers(laid) == [f"event-{number}" for number in range(300)]


def test_many_unroutable_events_are_each_told(vhost):
    with channel(vhost) as on:
        on.exchange_declare(names.NOTIFICATIONS, "topic", durable=True, auto_delete=False)
        on.queue_declare("some", durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})
        on.queue_bind("some", names.NOTIFICATIONS, "notification.audit.#")
    events = [{**event(n % 90), "type": f"notification.{'audit' if n % 3 else 'task'}.x.v1"} for n in range(300)]
    with Publisher(vhost) as publisher:
        settled = {each.position: each.problem for each in publisher.publish_many(events)}
    assert len(settled) == 300
    for position, problem in settled.items():
        assert (problem is None) == bool(position % 3)
        assert problem is None or isinstance(problem, Unroutable)


def test_many_events_without_an_exchange_are_each_told(vhost):
    with Publisher(vhost) as publisher:
        settled = list(publisher.publish_many(event(number) for number in range(20)))
    assert len(settled) == 20
    assert all(isinstance(each.problem, Unroutable) for each in settled)


async def test_cuts_in_the_middle_of_many_events_lose_none(laid):
    async with wire_to(laid) as wire, publisher_for(through(wire, laid)) as publisher:
        cut_at = {200, 500, 900}
        loop = asyncio.get_running_loop()

        async def cut() -> None:
            wire.cut()

        def given():
            for number in range(1200):
                if number in cut_at:
                    asyncio.run_coroutine_threadsafe(cut(), loop).result(5)
                yield event(number)

        settled = await asyncio.to_thread(lambda: list(publisher.publish_many(given(), window=50)))
    assert len(settled) == 1200
    assert all(each.problem is None for each in settled)
    assert set(await asyncio.to_thread(identifiers, laid)) == {f"event-{number}" for number in range(1200)}


def test_many_events_stop_when_the_broker_is_away():
    with Publisher("amqp://u:p@127.0.0.1:1/", timeout=0.5) as publisher, pytest.raises(PublishUnavailable):
        list(publisher.publish_many(event(number) for number in range(100)))


def test_large_events_are_bounded_by_bytes_not_only_by_number(laid):
    large = put(full_event(), ("data", "text"), "x" * 3_000_000)
    with Publisher(laid, partitions=PARTITIONS, timeout=30) as publisher:
        settled = list(publisher.publish_many({**large, "id": f"large-{number}"} for number in range(15)))
    assert all(each.problem is None for each in settled)
    assert total(laid) == 15


def test_a_late_confirm_is_not_taken_for_another_event(laid):
    """kombu's own confirm mode counts confirms; a link matches tags, so a verdict is always about its own message."""
    from consumer.publisher_link import Link, Outgoing

    link = Link(laid, ca_file=None, timeout=5)
    first = Outgoing(b"1", "one", "k", {"application_headers": {names.H_PARTITION: "00"}, "message_id": "one"})
    second = Outgoing(b"2", "two", "k", {"application_headers": {names.H_PARTITION: "01"}, "message_id": "two"})
    tags = {link.send(first), link.send(second)}
    verdicts = dict([link.verdict(5), link.verdict(5)])
    assert verdicts == dict.fromkeys(tags)
    assert link.waiting == 0
    link.close()
