"""A ``message`` of Microsoft Graph, read strictly: only documented members that a client may write."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from deploy.local.providers.graph_errors import Problem, unreadable
from deploy.local.providers.graph_values import Attachment, Mailbox, Message

_MOST_HEADERS: Final = 5
_ADDRESS: Final = re.compile(r'[^\s@<>",;:()\[\]\\]+@[^\s@<>",;:()\[\]\\.]+(\.[^\s@<>",;:()\[\]\\.]+)*')
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]+")
_PROPERTY: Final = re.compile(
    r"(String|Integer|Boolean|Binary|SystemTime|Long|Short) (0x[0-9A-Fa-f]{1,4}|"
    r"\{[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\} (Name \S.*|Id 0x[0-9A-Fa-f]{1,4}))"
)


def valid_address(text: str) -> bool:
    """Whether Exchange would take it for an address; whether its domain exists shows later."""
    return _ADDRESS.fullmatch(text) is not None and len(text) <= 320


def read_object(body: bytes) -> dict[str, Any]:
    """A JSON object without repeated members.

    Raises:
        Problem: it is none.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a member is repeated")
        return found

    try:
        value = json.loads(body.decode(), object_pairs_hook=once)
    except ValueError:
        raise Problem(400, "BadRequest", "Unable to read JSON request payload.") from None
    return members(value, "the body", ())


def members(value: object, where: str, known: Iterable[str]) -> dict[str, Any]:
    """An object with no members but ``known`` ones (any, if none are)."""
    if not isinstance(value, dict):
        raise unreadable(f"An object was expected for {where}.")
    allowed = frozenset(known)
    for name in value:
        if allowed and name not in allowed:
            raise unreadable(f"The property '{name}' does not exist on type '{where}'.")
    return value


def read_message(value: object) -> Message:
    """Reads a ``microsoft.graph.message``.

    Raises:
        Problem: a member is unknown, may not be written or has the wrong form.
    """
    given = members(value, "microsoft.graph.message", _FIELDS)
    found = {name: _FIELDS[name](content, name) for name, content in given.items()}
    html, text = found.get("body", (False, ""))
    return Message(
        subject=found.get("subject", ""),
        html=html,
        text=text,
        to=found.get("toRecipients", ()),
        cc=found.get("ccRecipients", ()),
        bcc=found.get("bccRecipients", ()),
        reply_to=found.get("replyTo", ()),
        sender=found.get("from"),
        headers=found.get("internetMessageHeaders", ()),
        attachments=found.get("attachments", ()),
        properties=found.get("singleValueExtendedProperties", {}),
        importance=found.get("importance", "normal"),
        message_id=found.get("internetMessageId", ""),
    )


def read_attachment(value: object, where: str = "attachment") -> Attachment:
    """Reads a ``microsoft.graph.fileAttachment``; no other kind is taken."""
    given = members(value, "microsoft.graph.fileAttachment", _ATTACHMENT)
    if given.get("@odata.type") != "#microsoft.graph.fileAttachment":
        raise unreadable(f"@odata.type of {where} is not that of a file attachment.")
    if not given.get("name") or "contentBytes" not in given:
        raise Problem(400, "ErrorInvalidRequest", f"name and contentBytes of {where} are required.")
    found = {name: check(given[name], name) for name, check in _ATTACHMENT.items() if name in given}
    if _CONTROLS.search(found["name"] + found.get("contentId", "")):
        raise Problem(400, "ErrorInvalidRequest", f"name or contentId of {where} is not valid.")
    kind = found.get("contentType") or "application/octet-stream"
    return Attachment(
        found["name"], kind, found["contentBytes"], found.get("isInline", False), found.get("contentId", "")
    )


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise unreadable(f"A string was expected for {where}.")
    return value


def _flag(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise unreadable(f"Cannot convert the literal to the expected type 'Edm.Boolean': {where}.")
    return value


def _choice(*options: str) -> "Callable[[object, str], str]":
    def check(value: object, where: str) -> str:
        if value not in options:
            raise unreadable(f"Requested value was not found: {where}.")
        return str(value)

    return check


def _list(value: object, where: str) -> list[object]:
    if not isinstance(value, list):
        raise unreadable(f"An array was expected for {where}.")
    return value


def _body(value: object, _: str) -> tuple[bool, str]:
    given = members(value, "microsoft.graph.itemBody", ("@odata.type", "contentType", "content"))
    kind = _text(given.get("contentType", "text"), "contentType").lower()
    return _choice("text", "html")(kind, "contentType") == "html", _text(given.get("content", ""), "content")


def _recipient(value: object, where: str) -> Mailbox:
    inner = members(value, "microsoft.graph.recipient", ("@odata.type", "emailAddress")).get("emailAddress")
    given = members(inner, "microsoft.graph.emailAddress", ("@odata.type", "address", "name"))
    address = _text(given.get("address", ""), where)
    if not valid_address(address):
        raise Problem(400, "ErrorInvalidRecipients", "At least one recipient isn't valid.")
    return Mailbox(address, _CONTROLS.sub(" ", _text(given.get("name") or "", where)))


def _recipients(value: object, where: str) -> tuple[Mailbox, ...]:
    return tuple(_recipient(one, where) for one in _list(value, where))


def _headers(value: object, where: str) -> tuple[tuple[str, str], ...]:
    found = []
    for one in _list(value, where):
        given = members(one, "microsoft.graph.internetMessageHeader", ("@odata.type", "name", "value"))
        name, content = _text(given.get("name"), where), _text(given.get("value"), where)
        if not re.fullmatch(r"[xX]-[!-9;-~]+", name) or re.search(r"[\r\n\0]", content):
            raise Problem(
                400,
                "InvalidInternetMessageHeader",
                f"The internet message header name '{name}' should start with 'x-'.",
            )
        found.append((name, content))
    if len(found) > _MOST_HEADERS:
        raise Problem(400, "InvalidInternetMessageHeaderCollection", "Maximum number of headers in one message is 5.")
    return tuple(found)


def _properties(value: object, where: str) -> dict[str, str]:
    found = {}
    for one in _list(value, where):
        given = members(one, "microsoft.graph.singleValueLegacyExtendedProperty", ("@odata.type", "id", "value"))
        name, content = _text(given.get("id"), where), _text(given.get("value"), where)
        if not _PROPERTY.fullmatch(name) or re.search(r"[\r\n\0]", content):
            raise Problem(400, "ErrorInvalidExtendedProperty", "The extended property attribute is not valid.")
        found[name] = content
    return found


def _message_id(value: object, where: str) -> str:
    text = _text(value, where)
    if not re.fullmatch(r"<[^\s<>]+@[^\s<>]+>", text):
        raise unreadable(f"{where} is not valid.")
    return text


def _bytes(value: object, where: str) -> bytes:
    try:
        return base64.b64decode(_text(value, where), validate=True)
    except (binascii.Error, ValueError):
        raise unreadable(f"Cannot convert the literal to the expected type 'Edm.Binary': {where}.") from None


def _attachments(value: object, where: str) -> tuple[Attachment, ...]:
    return tuple(read_attachment(one, where) for one in _list(value, where))


_ATTACHMENT: Final[dict[str, Callable[[object, str], Any]]] = {
    "@odata.type": _text,
    "name": _text,
    "contentType": _text,
    "contentBytes": _bytes,
    "contentId": _text,
    "isInline": _flag,
}
_FIELDS: Final[dict[str, Callable[[object, str], Any]]] = {
    "@odata.type": _choice("#microsoft.graph.message", "microsoft.graph.message"),
    "subject": _text,
    "body": _body,
    "toRecipients": _recipients,
    "ccRecipients": _recipients,
    "bccRecipients": _recipients,
    "replyTo": _recipients,
    "from": _recipient,
    "sender": _recipient,
    "importance": _choice("low", "normal", "high"),
    "internetMessageHeaders": _headers,
    "internetMessageId": _message_id,
    "attachments": _attachments,
    "singleValueExtendedProperties": _properties,
    "isDeliveryReceiptRequested": _flag,
    "isReadReceiptRequested": _flag,
    "inferenceClassification": _choice("focused", "other"),
}
