"""Why an event was not published, for the platform that called.

::

    PublishError
    ├─ PublishRejected      the broker refused this event: its queue is full, or the user may not publish
    ├─ Unroutable           no queue takes the event: the topology is missing or incomplete
    └─ PublishUnavailable   no broker confirmed it in time; it may or may not have been accepted

:class:`~consumer.events.InvalidEvent` stands apart: the event breaks the contract and was never sent. Publishing the
same event again after any of these is safe for the recipients: source and id make it a duplicate.
"""

from collections.abc import Iterable


class PublishError(Exception):
    """The event is not known to be in a queue."""


class PublishRejected(PublishError):
    """The broker refused the event."""


class Unroutable(PublishError):
    """The broker has no queue for the event; ``mailroom topology apply`` was not run on this virtual host."""


class PublishUnavailable(PublishError):
    """No broker confirmed the event within the time given; it may or may not have been accepted.

    ``sent`` is False when no connection was found to send it on, so that it cannot have been. From ``publish_many``,
    ``unknown`` has the positions (from 0) of all events that may have been accepted; others without a result were
    never sent.
    """

    def __init__(self, text: str = "", *, sent: bool = True, unknown: Iterable[int] = ()) -> None:
        super().__init__(text)
        self.sent = sent
        self.unknown = frozenset(unknown)
