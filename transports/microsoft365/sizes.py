"""Which way a mail goes by its size: one request, or a draft whose attachments follow.

One request to Graph has at most about 4 MB ("Microsoft Graph error responses": 413). Larger mails need a draft with
upload sessions ("Attach large files to Outlook messages"), hence the permission ``Mail.ReadWrite``, which not every
organisation has given.
"""

from collections.abc import Callable
from dataclasses import dataclass

from transports.errors import Code, MessageRefused
from transports.message import Attachment, Mail
from transports.microsoft365 import bodies
from transports.microsoft365.replies import NAME

REQUEST = 4_000_000 - 16_384
"""Octets of one body; the rest is left to the header of the request."""
RANGE = 3_932_160
"""Octets of one range of an upload, below 4 MB; a multiple of 320 KiB, which other upload sessions of Graph ask for."""
SMALL = 3 * 1024 * 1024
"""Octets of an attachment from which on an upload session must be taken in any reading of "3 MB"."""
LARGEST = 150_000_000
"""Octets of one attachment."""


Plain = Callable[[], bytes]
"""The same body without extended properties, for when they are refused."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A mail in one request; ``plain`` where its body has extended properties."""

    content_type: str
    body: bytes
    plain: Plain | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A mail whose attachments follow one by one; ``plain`` as in ``Whole``."""

    body: bytes
    attachments: tuple[Attachment, ...]
    plain: Plain | None = None


def plan(mail: Mail, mailbox: str, *, large_mails: bool, properties: bool = True) -> Whole | Draft:
    """How ``mail``, which names nobody else than its recipients, is sent from ``mailbox`` (empty: not known).

    ``properties``: JSON may have extended ones.

    A message that is too large in MIME, where attachments are encoded twice, may still do as JSON.

    Raises:
        MessageRefused: it cannot be expressed, or is too large (``message_too_large``) for what the grant allows.
    """
    raw = sum([len(each.content) for each in mail.attachments])
    if mail.sender.address.lower() == mailbox.lower() and raw * 16 // 9 <= REQUEST:
        body = bodies.mime(mail)
        if len(body) <= REQUEST:
            return Whole("text/plain", body)
    if raw * 4 // 3 <= REQUEST:
        message = bodies.message(mail, properties=properties)
        body = _request(message)
        if len(body) <= REQUEST:
            return Whole("application/json", body, _plain(message, _request))
    if not large_mails:
        raise _too_large("larger than one request")
    if any(len(each.content) > LARGEST for each in mail.attachments):
        raise _too_large("attachment above 150 MB")
    message = bodies.message(mail, draft=True, properties=properties)
    body = bodies.encode(message)
    if len(body) > REQUEST:
        raise _too_large("text larger than one request")
    return Draft(body, mail.attachments, _plain(message, bodies.encode))


def _request(message: bodies.Json) -> bytes:
    return bodies.encode({"message": message, "saveToSentItems": True})


def _plain(message: bodies.Json, encode: Callable[[bodies.Json], bytes]) -> Plain | None:
    if bodies.PROPERTIES not in message:
        return None
    return lambda: encode({name: value for name, value in message.items() if name != bodies.PROPERTIES})


def _too_large(detail: str) -> MessageRefused:
    return MessageRefused(Code.MESSAGE_TOO_LARGE, detail, transport=NAME)
