"""What the broker tests share: queues made and filled by another client (py-amqp), and a broker that is closed again.

Another client on purpose: what goes in and what is left must not depend on the code under test.
"""

import contextlib
import random
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import amqp

from consumer.broker import Broker, Incoming
from tests.fakes.wire import Wire
from tests.waiting import eventually

QUORUM: Mapping[str, object] = {"x-queue-type": "quorum", "x-delivery-limit": 50}


@contextlib.contextmanager
def other_client(url: str) -> Iterator[Any]:
    """A channel of py-amqp."""
    parts = urlsplit(url)
    connection = amqp.Connection(
        host=f"{parts.hostname}:{parts.port}",
        userid=unquote(parts.username or "guest"),
        password=unquote(parts.password or "guest"),
        virtual_host=unquote(parts.path[1:]) or "/",
        connect_timeout=10,
    )
    connection.connect()
    try:
        yield connection.channel()
    finally:
        with contextlib.suppress(OSError, amqp.AMQPError):
            connection.close()


def declare(url: str, queue: str, **arguments: object) -> None:
    """Make a quorum queue; ``single_active_consumer=True`` becomes ``x-single-active-consumer``."""
    extra = {f"x-{name.replace('_', '-')}": value for name, value in arguments.items()}
    with other_client(url) as channel:
        channel.queue_declare(queue, durable=True, auto_delete=False, arguments={**QUORUM, **extra})


def put(url: str, queue: str, bodies: Sequence[str], headers: Mapping[str, object] | None = None) -> None:
    """Publish messages to a queue."""
    with other_client(url) as channel:
        channel.confirm_select()
        for body in bodies:
            message = amqp.Message(body, delivery_mode=2, application_headers=dict(headers or {}))
            channel.basic_publish_confirm(message, routing_key=queue, timeout=10)


def take(url: str, queue: str) -> list[Any]:
    """Take out everything that is ready in a queue; bodies as text."""
    found = []
    with other_client(url) as channel:
        while (message := channel.basic_get(queue)) is not None:
            channel.basic_ack(message.delivery_tag)
            # py-amqp decodes a body only when the message names an encoding.
            message.body = message.body.decode() if isinstance(message.body, bytes) else message.body
            found.append(message)
    return found


def delete(url: str, queue: str) -> None:
    """Delete a queue."""
    with other_client(url) as channel:
        channel.queue_delete(queue)


def through(wire: Wire, url: str) -> str:
    """The URL with the wire in between."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{wire.port}").geturl()


class Inbox:
    """An ``on_message`` that keeps what comes, and the reasons of what was lost."""

    def __init__(self, *, ack: bool = False) -> None:
        self.messages: list[Incoming] = []
        self.lost: list[str] = []
        self._ack = ack

    def __call__(self, message: Incoming) -> None:
        self.messages.append(message)
        if self._ack:
            message.ack()

    @property
    def bodies(self) -> list[str]:
        """The texts that came, in order."""
        return [message.body.decode() for message in self.messages]

    async def holds(self, count: int, timeout: float = 20.0) -> list[Incoming]:
        """Wait until at least so many have come."""
        await eventually(lambda: len(self.messages) >= count, timeout, what=f"{count} messages in the inbox")
        return self.messages


@contextlib.asynccontextmanager
async def broker(*urls: str, connect: bool = True, **options: Any) -> AsyncIterator[Broker]:
    """A started broker, connected unless told otherwise, that is closed at the end."""
    made = Broker(urls, name="test", source=random.Random(1), **{"confirm_timeout": 5.0, **options})
    await made.start()
    try:
        if connect:
            await eventually(lambda: made.connected, 20.0, what="the broker connection")
        yield made
    finally:
        await made.close()
