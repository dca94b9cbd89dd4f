"""What the demo's data are made of: organisations, mail servers' rules, a sample event and its expectations."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Literal

from deploy.local.sandbox_mail import Rule, Security

Provider = Literal["", "microsoft", "google"]
_WAYS: Final = {"": "SMTP", "microsoft": "Microsoft 365", "google": "Gmail API"}

GONE: Final = "gone@partner.example"
BUSY: Final = "busy@partner.example"
AWAY: Final = "away@partner.example"

RULES: Final = (
    Rule(GONE, "RCPT", "550 5.1.1 No such user here"),
    Rule(AWAY, "RCPT", "451 4.3.0 Mailbox busy, please try again later", times=1),
    Rule(BUSY, "DATA", "452 4.3.1 Out of space, please try again later", times=1),
)
"""What the mail servers answer instead of yes."""


@dataclass(frozen=True, slots=True)
class Organization:
    """An organisation and the mail server that all its mail must leave through.

    ``by_page``: its administrator configures it on the settings page, and not an operator by a command. With a
    ``provider`` it has an account there (``username``) instead of a mail server, and ``server`` is the API it is for.
    """

    id: str
    server: str
    security: Security
    username: str
    address: str
    alias: str
    own: bool = True
    by_page: bool = False
    provider: Provider = ""

    @property
    def way(self) -> str:
        """How its mail leaves, for people."""
        return _WAYS[self.provider] if self.own else "the platform's SMTP"

    @property
    def administrator(self) -> str:
        """The address of the person who looks after its settings."""
        return f"ada@{self.id}.example"


DEFAULT: Final = Organization(
    "initech",
    "smtp.platform.example",
    "starttls",
    "platform-relay",
    "no-reply@platform.example",
    "Example Platform",
    own=False,
)
ACME: Final = Organization(
    "acme", "mail.acme.example", "starttls", "mailer@acme.example", "notifications@acme.example", "ACME Compliance"
)
GLOBEX: Final = Organization(
    "globex",
    "smtp.globex.example",
    "tls",
    "globex-mailer",
    "privacy@globex.example",
    "Globex – Équipe Søren",
    by_page=True,
)
UMBRELLA: Final = Organization(
    "umbrella",
    "graph.microsoft.com",
    "tls",
    "notifications@umbrella.example",
    "notifications@umbrella.example",
    "Umbrella Privacy",
    by_page=True,
    provider="microsoft",
)
HOOLI: Final = Organization(
    "hooli",
    "gmail.googleapis.com",
    "tls",
    "ada@hooli.example",
    "privacy@hooli.example",
    "Hooli – Datenschutz",
    by_page=True,
    provider="google",
)
ORGANIZATIONS: Final = (DEFAULT, ACME, GLOBEX, UMBRELLA, HOOLI)
WITH_SERVERS: Final = tuple(one for one in ORGANIZATIONS if not one.provider)
CONNECTED: Final = tuple(one for one in ORGANIZATIONS if one.provider)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """The dead letter an event must end as: its reason, and what else it tells."""

    reason: str
    detail: str = ""
    field: str = ""
    owed: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """One event and all that must become of it.

    ``mails`` has the envelope recipients of every mail its server must take, in order, ``refusals`` what the server
    says on the way, ``fields`` further header fields of the mail. ``headers`` are those of the raw message when it is
    not published by ``mailroom publish``; ``retries`` are the attempts after the first. One that ``parks`` is published
    after the account's consent was taken back, and waits until it is given again.
    """

    what: str
    organization: Organization
    event: dict[str, Any]
    mails: tuple[tuple[str, ...], ...] = ()
    refusals: tuple[str, ...] = ()
    dead: DeadLetter | None = None
    headers: Mapping[str, str] | None = None
    retries: int = 0
    parks: bool = False
    fields: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def id(self) -> str:
        """The event's id."""
        return str(self.event["id"])

    @property
    def category(self) -> str:
        """The category in the event's type."""
        return str(self.event["type"]).split(".")[1]


def event(now: datetime, organization: Organization, kind: str, **data: Any) -> dict[str, Any]:
    """An event of an organisation: ``kind`` is *category.what*, ``data`` the mail."""
    category = kind.partition(".")[0]
    return {
        "specversion": "1.0",
        "id": f"{kind.replace('.', '-')}",
        "source": f"/platform/{category}",
        "type": f"notification.{kind}.v1",
        "time": now.isoformat(),
        "organizationid": organization.id,
        "datacontenttype": "application/json",
        "data": data,
    }


def to(address: str, name: str = "") -> list[dict[str, str]]:
    """A list of one recipient."""
    return [{"address": address, "name": name} if name else {"address": address}]


def attachment(name: str, media: str, content: bytes) -> dict[str, str]:
    """A file to attach."""
    return {"name": name, "type": media, "content": base64.b64encode(content).decode()}
