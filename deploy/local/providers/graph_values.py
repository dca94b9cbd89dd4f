"""A message of Microsoft Graph, as it was read."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A name and an address."""

    address: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a message."""

    name: str
    kind: str
    content: bytes = field(repr=False)
    inline: bool = False
    content_id: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """What was read; ``properties`` are single-value extended properties by their ids."""

    subject: str = ""
    html: bool = False
    text: str = ""
    to: tuple[Mailbox, ...] = ()
    cc: tuple[Mailbox, ...] = ()
    bcc: tuple[Mailbox, ...] = ()
    reply_to: tuple[Mailbox, ...] = ()
    sender: Mailbox | None = None
    headers: tuple[tuple[str, str], ...] = ()
    attachments: tuple[Attachment, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    importance: str = "normal"
    message_id: str = ""

    @property
    def recipients(self) -> tuple[str, ...]:
        """All addresses it goes to."""
        return tuple(one.address for one in (*self.to, *self.cc, *self.bcc))
