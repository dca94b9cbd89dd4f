"""Publishing events from blocking code: a Django or Flask application, a script, the command line.

Every event is checked against the contract first, published persistent and mandatory, and confirmed before the call
returns. From asynchronous code call it through ``asyncio.to_thread``. It consumes nothing.
"""

import json
import os
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from consumer import names
from consumer.events import Event, InvalidEvent, parse
from consumer.partition import partition_of
from consumer.publisher_batch import Published, publish_all
from consumer.publisher_errors import PublishError, PublishRejected, PublishUnavailable, Unroutable
from consumer.publisher_link import Link, LinkLost, Outgoing
from consumer.publisher_pool import LinkPool
from consumer.topology_connection import BrokerUnavailable, CredentialsRefused

__all__ = [
    "InvalidEvent",
    "PublishError",
    "PublishRejected",
    "PublishUnavailable",
    "Publishable",
    "Published",
    "Publisher",
    "Unroutable",
]

MAX_BYTES: Final = 12 * 1024 * 1024
CONFIRM_TIMEOUT: Final = 5.0
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 2.0

Publishable = Event | Mapping[str, Any] | bytes | str
"""An event: parsed, as a JSON object (``datetime`` values allowed), or as JSON text."""


class Publisher:
    """Publishes events with confirms. Thread-safe, survives broker restarts, may be used on both sides of a fork.

    ``urls`` are tried in turn; ``partitions`` must be what the service has (``MAILROOM_PARTITIONS``); ``timeout`` is
    the time in seconds for one event, reconnecting included; ``connections`` bounds how many threads publish at once.
    ``ca_file`` is trusted beside the system's authorities.
    """

    def __init__(  # noqa: PLR0913 - keyword options
        self,
        urls: str | Sequence[str],
        *,
        partitions: int = 32,
        timeout: float = 10.0,
        connections: int = 8,
        max_bytes: int = MAX_BYTES,
        ca_file: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._urls = urls
        self._partitions = partitions
        self._timeout = timeout
        self._connections = connections
        self._max_bytes = max_bytes
        self._ca_file = ca_file
        self._clock = clock
        self._now = now
        self._pause = pause
        self._pool = self._new_pool()
        _publishers.add(self)

    def publish(self, event: Publishable) -> None:
        """Publishes one event; when it returns, the broker has the event on disk.

        After a connection broke it is sent again, so it may be there twice; the service takes the second for a
        duplicate.

        Raises:
            InvalidEvent: it breaks the contract; nothing was sent.
            Unroutable: no queue takes it.
            PublishRejected: the broker refused it.
            PublishUnavailable: nothing confirmed it in time.
            RuntimeError: the publisher is closed.
        """
        self._deliver(self._prepared(event))

    def publish_many(self, events: Iterable[Publishable], *, window: int = 500) -> Iterator[Published]:
        """Publishes events much faster than one by one, up to ``window`` at a time without a confirm.

        Gives one :class:`Published` for each event, as they are settled: with the event's position, and the error
        that :meth:`publish` would have raised. The order on the wire is the order given. Raises PublishUnavailable
        when the broker is away for longer than the timeout; its ``unknown`` says what may have been accepted.
        """
        return publish_all(events, self._prepared, self._pool, self._deliver, window=window, timeout=self._timeout)

    def close(self) -> None:
        """Closes the connections; those in use when their event is done. Idempotent."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _prepared(self, event: Publishable) -> Outgoing:
        body = _encoded(event)
        checked = event if isinstance(event, Event) else parse(body, {}, max_bytes=self._max_bytes)
        if len(body) > self._max_bytes:
            raise InvalidEvent("", f"has more than {self._max_bytes} bytes")
        headers = {
            names.H_ORGANIZATION: checked.organization_id,
            names.H_PARTITION: partition_of(checked.organization_id, self._partitions),
        }
        properties = {
            "content_type": names.CONTENT_TYPE,
            "delivery_mode": 2,
            "message_id": checked.id,
            "type": checked.type,
            "timestamp": int(self._now()),
            "application_headers": headers,
        }
        return Outgoing(body, checked.id, checked.type, properties)

    def _deliver(self, outgoing: Outgoing) -> None:
        deadline = self._clock() + self._timeout
        pause = _FIRST_PAUSE
        sent = False
        while True:
            try:
                with self._pool.link(deadline - self._clock()) as link:
                    sent = True
                    link.send(outgoing)
                    _, problem = link.verdict(max(0.0, min(CONFIRM_TIMEOUT, deadline - self._clock())))
            except CredentialsRefused as error:
                raise PublishUnavailable(str(error), sent=sent) from error
            except (BrokerUnavailable, LinkLost) as error:
                if self._clock() + pause >= deadline:
                    text = f"not confirmed within {self._timeout:g} s: {error}"
                    raise PublishUnavailable(text, sent=sent) from error
                self._pause(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            if problem is not None:
                raise problem
            return

    def _new_pool(self) -> LinkPool:
        def open_link() -> Link:
            return Link(
                self._urls, ca_file=self._ca_file, timeout=min(CONFIRM_TIMEOUT, self._timeout), clock=self._clock
            )

        return LinkPool(open_link, self._connections, self._clock)

    def _after_fork(self) -> None:
        """In a forked child: the parent's connections are not ours, and its locks may be held by nobody."""
        self._pool.abandon()
        self._pool = self._new_pool()


def _encoded(event: Publishable) -> bytes:
    if isinstance(event, bytes):
        return event
    try:
        if isinstance(event, str):
            return event.encode("utf-8")
        content = event.to_dict() if isinstance(event, Event) else event
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_time)
        return text.encode("utf-8")
    except RecursionError:
        raise InvalidEvent("", "is nested too deeply") from None
    except (TypeError, ValueError):  # the latter also for text that UTF-8 cannot hold
        raise InvalidEvent("", "holds a value that JSON cannot express") from None


def _time(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError


_publishers: Final[weakref.WeakSet[Publisher]] = weakref.WeakSet()


def _renew_publishers() -> None:
    for publisher in list(_publishers):
        publisher._after_fork()


# Web servers fork after they loaded the application. A hook, because a check of the process id at each call would
# have to take a lock that the fork may have left locked.
os.register_at_fork(after_in_child=_renew_publishers)
