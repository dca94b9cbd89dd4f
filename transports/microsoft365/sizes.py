"""Which way a mail goes by its size: one request, or a draft whose attachments follow.

One request to Graph has at most about 4 MB ("Microsoft Graph error responses": 413). Larger mails need a draft with
upload sessions ("Attach large files to Outlook messages"), hence the permission ``Mail.ReadWrite``, which not every
organisation has given.
"""

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


@dataclass(frozen=True, slots=True)
class Whole:
    """A mail in one request."""

    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Draft:
    """A mail whose attachments follow one by one."""

    body: bytes
    attachments: tuple[Attachment, ...]


def plan(mail: Mail, mailbox: str, *, large_mails: bool) -> Whole | Draft:
    """How ``mail``, which names nobody else than its recipients, is sent from ``mailbox``.

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
        body = bodies.encode({"message": bodies.message(mail), "saveToSentItems": True})
        if len(body) <= REQUEST:
            return Whole("application/json", body)
    if not large_mails:
        raise _too_large("larger than one request")
    if any(len(each.content) > LARGEST for each in mail.attachments):
        raise _too_large("attachment above 150 MB")
    body = bodies.encode(bodies.message(mail, draft=True))
    if len(body) > REQUEST:
        raise _too_large("text larger than one request")
    return Draft(body, mail.attachments)


def _too_large(detail: str) -> MessageRefused:
    return MessageRefused(Code.MESSAGE_TOO_LARGE, detail, transport=NAME)
