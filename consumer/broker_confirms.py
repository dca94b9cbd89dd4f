"""Which published messages still await their confirm: pure bookkeeping by delivery tag, for one channel.

The broker numbers what is published on a channel 1, 2, 3, …; a confirm names one number, or with ``multiple`` all up to
it, and may come out of order when messages go to different queues (rabbitmq.com/docs/confirms).
Nothing here knows pika.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from consumer.broker_errors import PublishFailed, Reason

# Correlates a returned message with its publish. A return carries no tag, and message ids are the publisher's and may
# repeat; this header is ours, unique on its channel, and is taken off again by whoever consumes through this module.
H_PUBLISH_ID: Final = "mailroom-publish-id"


@dataclass(slots=True, eq=False)
class Pending:
    """One message on its way; ``deadline`` is the clock's reading after which its confirm counts as missing."""

    future: asyncio.Future[None]
    deadline: float
    returned: str | None = None


class Confirms:
    """The unconfirmed messages of one channel, oldest first. ``on_settled`` is called once for each."""

    def __init__(self, on_settled: Callable[[], None]) -> None:
        self._pending: dict[int, Pending] = {}
        self._last = 0
        self._on_settled = on_settled

    def __len__(self) -> int:
        return len(self._pending)

    @property
    def next_tag(self) -> int:
        """The tag that the broker will give to the next message."""
        return self._last + 1

    @property
    def next_deadline(self) -> float | None:
        """When the oldest one runs out; None when nothing is pending."""
        return next((pending.deadline for pending in self._pending.values()), None)

    def add(self, pending: Pending) -> int:
        """Note a message that has just been written; returns its tag."""
        self._last += 1
        self._pending[self._last] = pending
        return self._last

    def mark_returned(self, tag: object, detail: str) -> None:
        """The broker sent it back as unroutable; its ack, which follows, then means that."""
        if isinstance(tag, int) and (pending := self._pending.get(tag)):
            pending.returned = detail

    def confirm(self, tag: int, multiple: bool, accepted: bool) -> None:
        """The broker answered for one tag, or for all up to it. Tags that are not pending are passed over."""
        tags = list(takewhile(tag.__ge__, self._pending)) if multiple else [tag]
        for one in tags:
            if (pending := self._pending.pop(one, None)) is not None:
                self._settle(pending, None if accepted else PublishFailed(Reason.NACKED))

    def expire(self, now: float) -> int:
        """Fail those whose deadline has passed; returns how many."""
        expired = [tag for tag, pending in self._pending.items() if pending.deadline <= now]
        for tag in expired:
            self._settle(self._pending.pop(tag), PublishFailed(Reason.TIMEOUT, maybe_published=True))
        return len(expired)

    def restart(self, deadline: float) -> None:
        """Give all of them until then: the broker was not reading."""
        for pending in self._pending.values():
            pending.deadline = max(pending.deadline, deadline)

    def fail_all(self, detail: str) -> None:
        """The channel is gone, and with it all answers that had not come."""
        pending, self._pending = self._pending, {}
        for one in pending.values():
            self._settle(one, PublishFailed(Reason.DISCONNECTED, detail, maybe_published=True))

    def _settle(self, pending: Pending, error: PublishFailed | None) -> None:
        self._on_settled()
        if pending.future.done():  # the caller was cancelled; setting a result now would raise inside pika
            return
        if pending.returned is not None:
            # Whatever came after the return: no queue has it.
            error = PublishFailed(Reason.RETURNED, pending.returned)
        if error is None:
            pending.future.set_result(None)
        else:
            pending.future.set_exception(error)
