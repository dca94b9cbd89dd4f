"""Every exchange, queue and binding with its arguments, as kombu entities in the order in which they are declared.

The arguments are what makes the topology lose nothing (the broker's default dead-letter strategy was measured to lose
up to 87 % at a graceful restart), so they are declared rather than left to a policy: quorum everywhere, at-least-once
dead-lettering with ``reject-publish``, an explicit positive delivery limit, and every target declared before its
source.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kombu.entity import Exchange, Queue

from consumer import names

WORK_LIMIT: Final = 50
KEPT_LIMIT: Final = 1_000_000
"""As good as unlimited; -1 and 0 delete the message at its first return on RabbitMQ 3.10."""

_QUORUM: Final = {"x-queue-type": "quorum"}


@dataclass(frozen=True, slots=True)
class Route:
    """One exchange bound to another."""

    source: Exchange
    destination: Exchange
    routing_key: str


@dataclass(frozen=True, slots=True)
class Topology:
    """Everything that belongs to a number of partitions; each queue carries its one binding."""

    partitions: int
    exchanges: tuple[Exchange, ...]
    queues: tuple[Queue, ...]
    routes: tuple[Route, ...]


def topology(partitions: int) -> Topology:
    """The topology for ``partitions``. Raises ValueError unless they are 1 to 100."""
    numbers = names.partitions(partitions)
    dead = _exchange(names.DEAD, "direct")
    unsorted = _exchange(names.UNSORTED, "fanout")
    sort = _exchange(names.SORT, "headers", {"alternate-exchange": names.UNSORTED})
    later = _exchange(names.LATER, "direct")
    parked = _exchange(names.PARKED, "direct")
    notifications = _exchange(names.NOTIFICATIONS, "topic")
    queues = [
        _queue(names.DEAD, dead, names.DEAD_KEY, {"x-delivery-limit": KEPT_LIMIT}),
        _queue(
            names.UNSORTED, unsorted, "", {"x-delivery-limit": WORK_LIMIT, **_dead_letters(names.DEAD, names.DEAD_KEY)}
        ),
    ]
    # The highest first: a topology that has its first partition then has all of them, even if apply was interrupted,
    # and another number of partitions can be told from a half-finished one.
    queues.extend(_work(number, sort) for number in reversed(numbers))
    for number in numbers:
        single = {"x-single-active-consumer": True, "x-delivery-limit": KEPT_LIMIT}
        queues.append(_queue(names.parked_queue(number), parked, number, single))
    for seconds in names.WAIT_TIERS:
        arguments = {
            "x-message-ttl": seconds * 1000,
            "x-delivery-limit": KEPT_LIMIT,
            **_dead_letters(names.SORT, None),
        }
        queues.append(_queue(names.wait_queue(seconds), later, str(seconds), arguments))
    return Topology(
        partitions=partitions,
        exchanges=(
            dead,
            unsorted,
            sort,
            later,
            parked,
            _exchange(names.CONFIG, "fanout"),
            _exchange(names.EVENTS, "topic"),
            notifications,
        ),
        queues=tuple(queues),
        # Last of all: nothing comes in before everything is there.
        routes=(Route(notifications, sort, "#"),),
    )


def _work(number: str, sort: Exchange) -> Queue:
    arguments = {
        "x-single-active-consumer": True,
        "x-delivery-limit": WORK_LIMIT,
        **_dead_letters(names.DEAD, names.DEAD_KEY),
    }
    return _queue(names.work_queue(number), sort, "", arguments, binding={"x-match": "all", names.H_PARTITION: number})


def _exchange(name: str, kind: str, arguments: Mapping[str, Any] | None = None) -> Exchange:
    return Exchange(name, type=kind, durable=True, auto_delete=False, arguments=dict(arguments or {}))


def _queue(
    name: str,
    exchange: Exchange,
    routing_key: str,
    arguments: Mapping[str, Any],
    binding: Mapping[str, Any] | None = None,
) -> Queue:
    return Queue(
        name,
        exchange=exchange,
        routing_key=routing_key,
        durable=True,
        queue_arguments={**_QUORUM, **arguments},
        binding_arguments=dict(binding or {}),
    )


def _dead_letters(exchange: str, key: str | None) -> dict[str, Any]:
    arguments = {
        "x-dead-letter-exchange": exchange,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",  # without it the broker falls back to at-most-once, silently
    }
    return arguments if key is None else {**arguments, "x-dead-letter-routing-key": key}
