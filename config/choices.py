"""What an organisation can choose for its mail, as plain values. No store, no cache, no client behind them."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from transports.errors import Code
from transports.message import Mailbox
from transports.smtp.settings import SmtpSettings

_ORGANIZATION_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def valid_organization_id(text: str) -> bool:
    """Whether the text is an organisation id: 1 to 128 ASCII letters, digits, dots, underscores, colons or dashes."""
    return _ORGANIZATION_ID.fullmatch(text) is not None


class TransportKind(StrEnum):
    """How an organisation's mail leaves."""

    SMTP = "smtp"
    MICROSOFT365 = "microsoft365"
    GMAIL = "gmail"


class Status(StrEnum):
    """How things stand with an organisation's own transport, as a person is told.

    ``CONNECTED``: in use, but nobody has confirmed yet that mail arrives. ``NEEDS_ATTENTION``: suspended.
    """

    NOT_CONFIGURED = "not_configured"
    CONNECTED = "connected"
    VERIFIED = "verified"
    NEEDS_ATTENTION = "needs_attention"


@dataclass(frozen=True, slots=True)
class Suspension:
    """The account needs a person: its events are parked since ``since``, and tried again from ``retry_at`` if given."""

    code: Code
    since: datetime
    retry_at: datetime | None


@dataclass(frozen=True, slots=True)
class OrganizationSettings:
    """How one organisation's mail leaves. ``version`` grows with every change of it, but not by a suspension."""

    organization: str
    version: int
    kind: TransportKind
    sender: Mailbox
    smtp: SmtpSettings | None
    suspension: Suspension | None


@dataclass(frozen=True, slots=True)
class Summary:
    """What may be shown of an organisation's settings, as it is stored, even where it makes no sense; no secrets."""

    organization: str
    version: int
    kind: str
    sender: Mailbox
    host: str | None
    port: int | None
    security: str | None
    username: str | None
    password_set: bool
    enabled_at: datetime | None
    verified_at: datetime | None
    suspended_code: str | None
    suspended_at: datetime | None
    retry_at: datetime | None

    @property
    def status(self) -> Status:
        """What a person is told; an organisation without a summary is ``Status.NOT_CONFIGURED``."""
        if self.suspended_code is not None:
            return Status.NEEDS_ATTENTION
        return Status.CONNECTED if self.verified_at is None else Status.VERIFIED
