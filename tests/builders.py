"""Values for tests: a mail and an event that are complete and plain until a test says otherwise."""

import itertools
import json
from datetime import UTC, datetime
from typing import Any

from consumer.events import Event
from transports.message import Mail, Mailbox

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
"""The moment at which tests take place unless they say otherwise."""

SENDER = Mailbox("notifications@acme.example", "Acme")
JO = Mailbox("jo@example.org", "Jo")


def mail(**changes: Any) -> Mail:
    """A mail of one line from Acme to Jo; owed to every recipient unless ``owed`` is given."""
    values: dict[str, Any] = {
        "message_id": "<one@acme.example>",
        "date": NOON,
        "sender": SENDER,
        "to": (JO,),
        "subject": "A task was assigned to you",
        "text": "Please have a look.\n",
    }
    values |= changes
    everyone = (*values["to"], *values.get("cc", ()), *values.get("bcc", ()))
    return Mail(**{"owed": tuple(range(len(everyone))), **values})


def event_object(data: dict[str, Any] | None = None, **attributes: Any) -> dict[str, Any]:
    """An event as its JSON object; ``data`` is laid over the plain data, a value of None takes a key away."""
    plain = {
        "to": [{"address": JO.address, "name": JO.name}],
        "subject": "A task was assigned to you",
        "text": "Please have a look.\n",
    }
    content: dict[str, Any] = {
        "specversion": "1.0",
        "id": "event-1",
        "source": "/platform/tasks",
        "type": "notification.task.assigned.v1",
        "organizationid": "acme",
        "data": _without_none(plain | (data or {})),
    }
    return _without_none(content | attributes)


def _without_none(content: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if value is not None}


def event_bytes(data: dict[str, Any] | None = None, **attributes: Any) -> bytes:
    """The body of a message that carries :func:`event_object`."""
    return json.dumps(event_object(data, **attributes)).encode()


def event(data: dict[str, Any] | None = None, **attributes: Any) -> Event:
    """The validated event of :func:`event_object`."""
    return Event.model_validate(event_object(data, **attributes))


def another(data: dict[str, Any] | None = None, **attributes: Any) -> Event:
    """An event that nobody has seen before."""
    return event(data, id=f"another-{next(_NUMBERS)}", **attributes)


_NUMBERS = itertools.count(1)
