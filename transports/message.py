"""The frozen values a transport is given and gives back: one mail, its parts, and the receipt."""

from dataclasses import dataclass
from datetime import datetime

from transports.errors import DeliveryError


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An e-mail address with an optional display name, both as the event or the settings gave them."""

    address: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a mail. With ``content_id`` (without angle brackets) it is an inline picture of the HTML part."""

    filename: str
    content_type: str
    content: bytes
    content_id: str | None = None


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail, complete and final: the same value gives the same bytes at every attempt.

    ``owed`` are the positions, in the sequence *to + cc + bcc*, that still have to get it; the header fields name
    all of ``to`` and ``cc`` at every attempt. ``headers`` are further fields with ASCII names (``Auto-Submitted``,
    ``List-Unsubscribe`` …). Message identifiers carry their angle brackets (RFC 5322 §3.6.4).
    """

    message_id: str
    date: datetime
    sender: Mailbox
    to: tuple[Mailbox, ...]
    subject: str
    owed: tuple[int, ...]
    cc: tuple[Mailbox, ...] = ()
    bcc: tuple[Mailbox, ...] = ()
    reply_to: tuple[Mailbox, ...] = ()
    text: str | None = None
    html: str | None = None
    attachments: tuple[Attachment, ...] = ()
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()

    def recipients(self) -> tuple[tuple[int, Mailbox], ...]:
        """The recipients still owed, each with its position."""
        everyone = self.to + self.cc + self.bcc
        return tuple((position, everyone[position]) for position in self.owed)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of each recipient: every owed position is in ``accepted`` or in ``refused``, never in both.

    ``refused`` holds :class:`~transports.errors.RecipientDeferred`, ``RecipientRefused`` or another
    :class:`~transports.errors.DeliveryError` for one recipient.
    """

    transport: str
    accepted: tuple[int, ...]
    refused: tuple[tuple[int, DeliveryError], ...] = ()
