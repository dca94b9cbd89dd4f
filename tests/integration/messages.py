"""Small steps for tests that put messages on a broker and look into its queues, with kombu's blocking client."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from amqp import Message
from amqp.exceptions import ChannelError

from consumer.topology_connection import connect
from tests.waiting import eventually_blocking


@dataclass(frozen=True, slots=True)
class Found:
    """A message taken from a queue."""

    queue: str
    body: bytes
    headers: dict[str, Any]
    properties: dict[str, Any]


@contextmanager
def channel(url: str) -> Iterator[Any]:
    """A channel on a connection of its own."""
    connection = connect(url, name="test")
    try:
        yield connection.channel()
    finally:
        connection.release()


def put(
    url: str, exchange: str, key: str, headers: dict[str, object] | None = None, body: bytes = b"x", **properties: Any
) -> None:
    """Publishes one message, confirmed."""
    with channel(url) as on:
        on.confirm_select()
        verdicts: list[str] = []
        on.events["basic_ack"].add(lambda *_: verdicts.append("ack"))
        on.events["basic_nack"].add(lambda *_: verdicts.append("nack"))
        on.events["basic_return"].add(lambda *_: verdicts.append("returned"))
        message = Message(body, application_headers=headers or {}, delivery_mode=2, **properties)
        on.basic_publish(message, exchange=exchange, routing_key=key, mandatory=True)
        while not verdicts:
            on.connection.drain_events(timeout=10)
        assert verdicts == ["ack"]


def take(url: str, queue: str) -> Found | None:
    """Takes the next message of a queue, by a consumer: ``basic.get`` is refused on single-active-consumer queues."""
    taken: list[Found] = []
    with channel(url) as on:

        def deliver(message: Any) -> None:
            if not taken:
                properties = {
                    name: value for name, value in message.properties.items() if name != "application_headers"
                }
                taken.append(Found(queue, _bytes(message.body), message.headers or {}, properties))
                on.basic_ack(message.delivery_tag)

        on.basic_qos(0, 1, False)
        on.basic_consume(queue=queue, callback=deliver)
        try:
            while not taken:
                on.connection.drain_events(timeout=1)
        except TimeoutError:
            return None
        # The ack must be there before the connection is gone.
        on.queue_declare(queue=queue, passive=True)
    return taken[0]


def depth(url: str, queue: str) -> int:
    """How many messages are ready in a queue."""
    with channel(url) as on:
        return int(on.queue_declare(queue=queue, passive=True).message_count)


def depths(url: str, queues: list[str]) -> dict[str, int]:
    """The same for several queues; those that are empty are left out."""
    with channel(url) as on:
        counts = {queue: int(on.queue_declare(queue=queue, passive=True).message_count) for queue in queues}
    return {queue: count for queue, count in counts.items() if count}


def exists(url: str, queue: str) -> bool:
    """Whether there is such a queue."""
    try:
        depth(url, queue)
    except ChannelError:
        return False
    return True


def await_depth(url: str, queue: str, count: int, timeout: float = 10.0) -> None:
    """Waits until a queue holds so many messages."""
    eventually_blocking(lambda: depth(url, queue) == count, timeout, what=f"{queue} holds {count}")


def _bytes(body: Any) -> bytes:
    return body if isinstance(body, bytes) else str(body).encode()
