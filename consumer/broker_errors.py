"""What the broker module raises, and nothing of pika's.

::

    BrokerError
    ├─ BrokerUnavailable     no connection, no reply in time, or the channel was closed while we waited
    ├─ QueueMissing          the queue that was asked about does not exist
    └─ PublishFailed         a message was not confirmed; ``reason`` says why, ``maybe_published`` what may be there

The text of an error is made of our own words and AMQP reply codes, never of a URL, a header or a body.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why a publish failed: a closed set, fit for a metric label."""

    RETURNED = "returned"  # no queue is bound for it (mandatory)
    NACKED = "nacked"  # a queue refused it: full, or its leader is gone
    TIMEOUT = "timeout"  # written, but neither confirmed nor refused in time
    DISCONNECTED = "disconnected"  # the channel or connection ended before the confirm, or there was none
    ENCODING = "encoding"  # it cannot be expressed in AMQP; nothing was written
    ABANDONED = "abandoned"  # the caller's condition no longer held when its turn came; nothing was written


class BrokerError(Exception):
    """Anything that the broker could not do for us."""


class BrokerUnavailable(BrokerError):
    """There was no connection, no reply in time, or the channel was closed while we waited."""


class QueueMissing(BrokerError):
    """The queue does not exist."""


class PublishFailed(BrokerError):
    """A message was not confirmed.

    ``maybe_published`` is true when the broker may have it nevertheless (it was written, and the answer was lost):
    publishing again can then make a second copy.
    """

    def __init__(self, reason: Reason, detail: str = "", *, maybe_published: bool = False) -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail
        self.maybe_published = maybe_published
