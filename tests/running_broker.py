"""The far side of the broker for tests of the whole program: publish events, count and read what lies in the queues."""

import contextlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import pika
import pika.exceptions

from consumer import names
from consumer.publisher import Publisher
from tests.builders import event_object

DEFAULT_PARTITIONS = 32


def an_event(
    number: int, organization: str, *, recipient: str = "", size: int = 0, **attributes: Any
) -> dict[str, Any]:
    """A correct event that is recognised by its recipient, ``e<number>@example.org`` unless given."""
    address = recipient or f"e{number}@example.org"
    text = ("A line of text that fills the mail up to the size asked for.\n" * (size // 61 + 1))[:size] or "Look.\n"
    values = {"id": f"event-{number}", "time": datetime.now(UTC).isoformat(), "organizationid": organization}
    return event_object({"to": [{"address": address}], "text": text}, **{**values, **attributes})


def publish(amqp_url: str, events: Iterable[dict[str, Any]], *, partitions: int = DEFAULT_PARTITIONS) -> int:
    """Publishes all of them with confirms and returns how many."""
    count = 0
    with Publisher(amqp_url, partitions=partitions) as publisher:
        for published in publisher.publish_many(events):
            assert published.problem is None, published.problem
            count += 1
    return count


@contextlib.contextmanager
def channel(amqp_url: str) -> Iterator[Any]:
    """A blocking channel with confirms."""
    connection = pika.BlockingConnection(pika.URLParameters(amqp_url))
    try:
        opened = connection.channel()
        opened.confirm_delivery()
        yield opened
    finally:
        if connection.is_open:
            connection.close()


def publish_raw(amqp_url: str, messages: Iterable[tuple[bytes, dict[str, Any]]]) -> int:
    """Publishes bodies with headers as they are, each confirmed."""
    count = 0
    with channel(amqp_url) as opened:
        for body, headers in messages:
            properties = pika.BasicProperties(
                content_type=names.CONTENT_TYPE, delivery_mode=2, message_id=f"raw-{count}", headers=headers
            )
            opened.basic_publish(names.NOTIFICATIONS, "test", body, properties, mandatory=True)
            count += 1
    return count


def work_queues(partitions: int = DEFAULT_PARTITIONS) -> list[str]:
    """The queues of the work that is still to do, the unsorted one included."""
    return [*map(names.work_queue, names.partitions(partitions)), names.UNSORTED]


def parked_queues(partitions: int = DEFAULT_PARTITIONS) -> list[str]:
    """The queues of parked events."""
    return list(map(names.parked_queue, names.partitions(partitions)))


def wait_queues() -> list[str]:
    """The queues of events that are tried again later."""
    return list(map(names.wait_queue, names.WAIT_TIERS))


def ready(amqp_url: str, queues: Iterable[str]) -> int:
    """Messages in these queues that nobody holds."""
    with channel(amqp_url) as opened:
        return sum(opened.queue_declare(queue, passive=True).method.message_count for queue in queues)


def depths(amqp_url: str, queues: Iterable[str]) -> dict[str, int]:
    """The same, queue by queue, without the empty ones."""
    with channel(amqp_url) as opened:
        found = {queue: opened.queue_declare(queue, passive=True).method.message_count for queue in queues}
    return {queue: count for queue, count in found.items() if count}


def take_all(amqp_url: str, queue: str) -> list[tuple[dict[str, Any], bytes]]:
    """Takes every message out of a queue: headers and body."""
    found: list[tuple[dict[str, Any], bytes]] = []
    with channel(amqp_url) as opened:
        while True:
            method, properties, body = opened.basic_get(queue, auto_ack=True)
            if method is None:
                return found
            found.append((properties.headers or {}, body))


def dead_letters(amqp_url: str) -> list[tuple[dict[str, Any], bytes]]:
    """Takes every dead letter."""
    return take_all(amqp_url, names.DEAD)
