"""From the bytes of a message to an event, or to the reason why it is none. Pure; knows no broker.

The contract itself is in ``consumer.events_model`` (fields) and ``consumer.events_fields`` (kinds of values).
"""

from collections.abc import Mapping
from typing import Final

from pydantic import ValidationError

from config.categories import CATEGORIES
from consumer.events_json import InvalidEvent, path_of, read_object
from consumer.events_model import Address, Attachment, Data, Event, Thread
from consumer.names import H_ORGANIZATION

__all__ = ["CATEGORIES", "Address", "Attachment", "Data", "Event", "InvalidEvent", "Thread", "parse"]

_SENTENCES: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "extra_forbidden": "is not a field of the contract",
    "string_type": "must be a string",
    "string_unicode": "holds half of a surrogate pair, which is no character",
    "string_too_short": "must not be empty",
    "tuple_type": "must be an array",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dict_type": "must be an object",
}


def parse(body: bytes, headers: Mapping[str, object], *, max_bytes: int) -> Event:
    """The event in a message.

    Any bytes and any headers give an :class:`Event` or raise :class:`InvalidEvent`; nothing else escapes.
    ``max_bytes`` bounds the body. The header ``organizationid`` must name the organisation of the body when it is
    there: routing and isolation rest on it (R5).
    """
    content = read_object(body, max_bytes)
    event: Event | None = None
    try:
        event = Event.model_validate(content)
    except ValidationError as errors:
        invalid = _invalid(errors)
    if event is None:
        # Raised outside the handler: the library's error holds the input, and would be carried along as the context.
        raise invalid
    header = headers.get(H_ORGANIZATION)
    if isinstance(header, bytes):
        header = header.decode("utf-8", "replace")
    if header is not None and header != event.organization_id:
        raise InvalidEvent(H_ORGANIZATION, "differs from the AMQP header of the same name")
    return event


def _invalid(errors: ValidationError) -> InvalidEvent:
    first = errors.errors(include_url=False, include_input=False)[0]
    kind, context = first["type"], first.get("ctx", {})
    path = path_of(first["loc"])
    match kind:
        case "mailroom":
            return InvalidEvent(path, first["msg"])
        case "mailroom_at":
            inner = str(context["path"])
            return InvalidEvent(f"{path}.{inner}" if path else path_of((inner,)), first["msg"])
        case "literal_error":
            return InvalidEvent(path, f"must be {context['expected']}")
        case "string_too_long":
            return InvalidEvent(path, f"has more than {context['max_length']} characters")
        case "string_too_short" if context["min_length"] > 1:
            return InvalidEvent(path, f"has fewer than {context['min_length']} characters")
        case "too_long":
            return InvalidEvent(path, f"has more than {context['max_length']} entries")
        case _:
            return InvalidEvent(path, _SENTENCES.get(kind, "is not valid"))
