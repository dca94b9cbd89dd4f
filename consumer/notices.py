"""What Mailroom tells the platform, on the exchange ``mailroom.events``: no personal data, best effort, never blocking.

``organization.transport.suspended`` and ``.recovered`` always; ``notification.handed_off``, ``.dead`` and ``.expired``
for each event id when ``MAILROOM_NOTIFY_EVENTS`` is on. A notice that cannot be published is logged and counted out:
the state it speaks of is also in the store and in the metrics.
"""

import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

from config.logs import get_logger
from consumer import names
from consumer.attempt import stamp
from consumer.background import Background
from consumer.broker import Properties, PublishFailed

log = get_logger(__name__)


class Publish(Protocol):
    """The publishing half of the broker (:meth:`consumer.broker.Broker.publish`)."""

    def __call__(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        properties: Properties,
        *,
        mandatory: bool = True,
        still: Callable[[], bool] | None = None,
    ) -> Awaitable[None]: ...


class Notices:
    """Publishes notices in the background, so that no delivery waits for one."""

    def __init__(
        self, publish: Publish, background: Background, *, now: Callable[[], datetime], per_event: bool
    ) -> None:
        self._publish = publish
        self._background = background
        self._now = now
        self._per_event = per_event

    def suspended(self, organization: str, transport: str, code: str) -> None:
        """The organisation's transport needs attention; its events are parked until it is mended."""
        self._tell(
            "organization.transport.suspended", {"organization": organization, "transport": transport, "code": code}
        )

    def recovered(self, organization: str, transport: str) -> None:
        """The organisation's transport works again; its parked events are on their way."""
        self._tell("organization.transport.recovered", {"organization": organization, "transport": transport})

    def ended(self, what: str, event_id: str, organization: str, reason: str | None) -> None:
        """An event reached its end: ``handed_off``, ``dead`` or ``expired``."""
        if self._per_event:
            fields = {"event_id": event_id, "organization": organization}
            self._tell(f"notification.{what}", fields | ({"reason": reason} if reason else {}))

    def _tell(self, what: str, fields: dict[str, str]) -> None:
        body = json.dumps({"type": what, "time": stamp(self._now()), **fields}).encode()
        self._background.start(self._send(what, body), name=f"notice {what}")

    async def _send(self, what: str, body: bytes) -> None:
        try:
            await self._publish(
                names.EVENTS, what, body, Properties(content_type="application/json", type=what), mandatory=False
            )
        except PublishFailed:
            log.warning("notice could not be published", reason=what)
