"""Every broker name and every header name, and nothing else: pure constants and functions, no client.

What the queues and exchanges are made of (types, arguments, bindings) is in ``consumer.topology_entities``.
"""

from collections.abc import Mapping
from typing import Final

# Exchanges
NOTIFICATIONS: Final = "notifications"
SORT: Final = "mailroom.sort"
UNSORTED: Final = "mailroom.unsorted"  # exchange and queue have the same name
LATER: Final = "mailroom.later"
PARKED: Final = "mailroom.parked"
DEAD: Final = "mailroom.dead"  # exchange, queue: the routing key is DEAD_KEY
CONFIG: Final = "mailroom.config"
EVENTS: Final = "mailroom.events"

DEAD_KEY: Final = "dead"

WAIT_TIERS: Final[tuple[int, ...]] = (1, 5, 15, 60, 300, 900, 3600)
"""Seconds of the wait queues, ascending; the routing key of :data:`LATER` is the number."""

MAX_PARTITIONS: Final = 100
"""Partition names have two digits."""

# Message properties and headers of the contract
CONTENT_TYPE: Final = "application/cloudevents+json"
H_ORGANIZATION: Final = "organizationid"

# Headers that Mailroom writes
PREFIX: Final = "mailroom-"
H_PARTITION: Final = "mailroom-partition"
H_ATTEMPT: Final = "mailroom-attempt"
H_FIRST_SEEN: Final = "mailroom-first-seen"
H_NOT_BEFORE: Final = "mailroom-not-before"
H_OWED: Final = "mailroom-owed"
H_REASON: Final = "mailroom-reason"
H_FIELD: Final = "mailroom-field"
H_DEAD_AT: Final = "mailroom-dead-at"
H_PARKED_AT: Final = "mailroom-parked-at"
H_UNKNOWN: Final = "mailroom-unknown"
H_UNFINISHED: Final = "mailroom-unfinished"
H_PAUSED: Final = "mailroom-paused"
H_WAITED: Final = "mailroom-waited"
H_COPY: Final = "mailroom-copy"
H_ORIGIN: Final = "mailroom-origin"
H_UNREAD: Final = "mailroom-unread"
H_DETAIL: Final = "mailroom-detail"
H_TRANSPORT: Final = "mailroom-transport"
H_CATEGORY: Final = "mailroom-category"
H_EXPIRES: Final = "mailroom-expires"
H_PROBE: Final = "mailroom-probe"

_BROKER_HEADERS: Final = frozenset({"x-death", "x-delivery-count", "x-acquired-count"})
_BROKER_PREFIXES: Final = ("x-first-death-", "x-last-death-")
_NOT_FOREIGN: Final = (PREFIX, *_BROKER_PREFIXES)

_ROUTING_HEADERS: Final = frozenset({"CC", "BCC"})
"""The broker routes a copy to every key they name, on whatever exchange the message is published to."""


def work_queue(partition: str) -> str:
    """The work queue of a partition (``"07"``)."""
    return f"mailroom.work.{partition}"


def parked_queue(partition: str) -> str:
    """The queue of a partition's parked events; its routing key at :data:`PARKED` is the partition."""
    return f"mailroom.parked.{partition}"


def wait_queue(seconds: int) -> str:
    """The wait queue of one of :data:`WAIT_TIERS`."""
    return f"mailroom.wait.{seconds}"


def partition_name(number: int) -> str:
    """The name of a partition by its number: two digits."""
    return f"{number:02d}"


def partitions(count: int) -> tuple[str, ...]:
    """The names of all partitions, ascending.

    Raises ValueError unless ``count`` is 1 to :data:`MAX_PARTITIONS`.
    """
    if not 1 <= count <= MAX_PARTITIONS:
        raise ValueError(f"the number of partitions must be 1 to {MAX_PARTITIONS}")
    return tuple(partition_name(number) for number in range(count))


def without_broker_headers(headers: Mapping[str, object]) -> dict[str, object]:
    """The headers to republish a message with: all but what the broker itself wrote.

    RabbitMQ 3.10 takes a client's ``x-death`` at its word and drops, or strands, a message that carries it round
    twice (celery#9867).
    """
    return {
        name: value
        for name, value in headers.items()
        if name not in _BROKER_HEADERS and not name.startswith(_BROKER_PREFIXES)
    }


def foreign_headers(headers: Mapping[str, object]) -> dict[str, object]:
    """Those headers that neither the broker nor Mailroom wrote, and that route nothing."""
    return {
        name: value
        for name, value in headers.items()
        if not name.startswith(_NOT_FOREIGN) and name not in _BROKER_HEADERS and name not in _ROUTING_HEADERS
    }
