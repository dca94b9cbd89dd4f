"""One connection of a publisher: a channel in confirm mode with verdicts matched to delivery tags.

kombu's own ``confirm_publish`` takes the next confirm for the last message without comparing tags, so a late one could
vouch for the wrong message; here each message waits for its own. A link belongs to one thread at a time and is thrown
away, never repaired, after any trouble.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from amqp import Message
from amqp.exceptions import AccessRefused, AMQPError, ChannelError, NotFound

from consumer import names
from consumer.publisher_errors import PublishError, PublishRejected, Unroutable
from consumer.topology_connection import connect

_NOT_ROUTED: Final = "no queue takes the event; run `mailroom topology apply`"


class LinkLost(Exception):
    """The connection broke or stayed silent; what became of the messages under way is unknown."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message ready to be published; ``properties`` by their AMQP names."""

    body: bytes
    message_id: str
    routing_key: str
    properties: dict[str, Any]


class Link:
    """A connection with one channel. Not thread-safe; no method blocks longer than its timeout."""

    def __init__(
        self,
        urls: str | Sequence[str],
        *,
        ca_file: Path | None,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connects. Raises :class:`~consumer.topology_connection.BrokerUnavailable`, or LinkLost if it breaks."""
        self._clock = clock
        self._timeout = timeout
        self._connection = connect(
            urls, ca_file=ca_file, timeout=timeout, name="mailroom publisher", write_timeout=timeout
        )
        self._wire: Any = self._connection.connection
        self._tag = 0
        self._waiting: dict[int, Outgoing] = {}
        self._returned: set[int] = set()
        self._verdicts: deque[tuple[int, PublishError | None]] = deque()
        self.idle_since = clock()
        try:
            self._channel: Any = self._connection.channel()
            self._channel.confirm_select()
        except (OSError, AMQPError) as error:
            raise LinkLost(f"the channel could not be opened: {type(error).__name__}") from error
        events = self._channel.events
        events["basic_ack"].add(self._on_ack)
        events["basic_nack"].add(self._on_nack)
        events["basic_return"].add(self._on_return)

    @property
    def waiting(self) -> int:
        """How many messages have no verdict yet."""
        return len(self._waiting)

    def send(self, outgoing: Outgoing) -> int:
        """Puts a message on the wire and returns its delivery tag. Raises as :meth:`verdict` does."""
        self._tag += 1
        self._waiting[self._tag] = outgoing
        message = Message(outgoing.body, **outgoing.properties)
        try:
            self._channel.basic_publish(
                message, exchange=names.NOTIFICATIONS, routing_key=outgoing.routing_key, mandatory=True
            )
        except (OSError, AMQPError) as error:
            raise _translated(error) from error
        return self._tag

    def verdict(self, timeout: float) -> tuple[int, PublishError | None]:
        """The next message whose fate is known, and what is wrong with it if anything.

        Raises:
            LinkLost: the connection broke, or nothing came within ``timeout`` seconds.
            PublishError: the broker closed the channel; it holds for every message under way.
        """
        deadline = self._clock() + timeout
        while not self._verdicts:
            left = deadline - self._clock()
            if left <= 0:
                raise LinkLost("the broker did not confirm in time")
            try:
                self._wire.drain_events(timeout=left)
            except TimeoutError:
                continue
            except (OSError, AMQPError) as error:
                raise _translated(error) from error
        return self._verdicts.popleft()

    def stale(self) -> bool:
        """Whether the broker has closed the connection meanwhile; nobody reads it while it is idle."""
        try:
            self._wire.drain_events(timeout=0)
        except TimeoutError:
            return False
        except (OSError, AMQPError):
            return True
        return False

    def close(self) -> None:
        """Closes the connection, politely if nothing is under way; never raises for a broken one."""
        if self._waiting:
            # A polite close waits for the broker's answer, which is what just failed to come.
            self._wire.collect()
            return
        try:
            self._connection.release()
        except (OSError, AMQPError):
            self._wire.collect()

    def abandon(self) -> None:
        """Drops the socket without a word: after a fork it is the parent's, and even a goodbye would be too much."""
        transport: Any = self._wire.transport
        sock, transport.sock = transport.sock, None
        if sock is not None:
            os.close(sock.detach())

    def _on_ack(self, tag: int, multiple: bool) -> None:
        self._settle(tag, multiple, None)

    def _on_nack(self, tag: int, multiple: bool) -> None:
        self._settle(tag, multiple, PublishRejected("the broker refused the event: a queue is full or not available"))

    def _on_return(self, _error: object, _exchange: str, _key: str, message: Any) -> None:
        # A return carries no tag. The oldest message with that id is as good as any other: they are the same event.
        identifier = message.properties.get("message_id")
        for tag, outgoing in self._waiting.items():
            if outgoing.message_id == identifier and tag not in self._returned:
                self._returned.add(tag)
                return

    def _settle(self, tag: int, multiple: bool, problem: PublishError | None) -> None:
        tags = [each for each in self._waiting if each <= tag] if multiple else [tag]
        for each in tags:
            if self._waiting.pop(each, None) is None:
                continue
            returned = each in self._returned
            self._returned.discard(each)
            self._verdicts.append((each, Unroutable(_NOT_ROUTED) if returned else problem))


def _translated(error: Exception) -> Exception:
    if isinstance(error, NotFound):
        return Unroutable(f"the exchange {names.NOTIFICATIONS} does not exist; run `mailroom topology apply`")
    if isinstance(error, AccessRefused):
        return PublishRejected(f"the broker's user may not publish to the exchange {names.NOTIFICATIONS}")
    if isinstance(error, ChannelError):
        return PublishRejected(f"the broker refused the event: {error.reply_text}")
    return LinkLost(f"the connection to the broker broke: {type(error).__name__}")
