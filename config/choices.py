"""What an organisation can choose for its mail, as plain values. No store, no cache, no client behind them."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from config.limits import Limits, Overrides
from config.oauth.values import Method, Provider, Way
from transports import settings as transport_settings
from transports.errors import Code
from transports.message import Mailbox

TransportSettings = transport_settings.TransportSettings
"""What the transport of an organisation is built from, whatever its kind."""

STANDARD_LIMITS: Final = Limits(4)
"""Of an account about which nothing else is known."""

_ORGANIZATION_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def valid_organization_id(text: str) -> bool:
    """Whether the text is an organisation id: 1 to 128 ASCII letters, digits, dots, underscores, colons or dashes."""
    return _ORGANIZATION_ID.fullmatch(text) is not None


class TransportKind(StrEnum):
    """How an organisation's mail leaves."""

    SMTP = "smtp"
    MICROSOFT365 = "microsoft365"
    GMAIL = "gmail"

    @classmethod
    def of(cls, provider: Provider) -> "TransportKind":
        """The kind that mail leaves by with a grant of this provider, in either way."""
        return cls.MICROSOFT365 if provider is Provider.MICROSOFT else cls.GMAIL


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
    """How one organisation's mail leaves. ``version`` grows with every change of it, but not by a suspension.

    ``kind`` is what was chosen; ``account`` is built from, and is an ``SmtpSettings`` with a grant where the account of
    a provider is used by SMTP. It is ``None`` only for a kind that this code cannot build. ``limits`` are those
    in force.
    """

    organization: str
    version: int
    kind: TransportKind
    sender: Mailbox
    account: TransportSettings | None
    suspension: Suspension | None
    limits: Limits = STANDARD_LIMITS


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """How fast an account may be used: what is usual for it, what the organisation chose instead, and what holds."""

    preset: Limits
    chosen: Overrides
    effective: Limits


@dataclass(frozen=True, slots=True)
class Summary:
    """What may be shown of an organisation's settings, as it is stored, even where it makes no sense; no secrets.

    ``grant_id``, ``way``, ``method``, ``account_email`` and ``account_name`` are those of a connected account: which
    one consented, how (:class:`~config.oauth.values.Method`) and how mail leaves with it. ``limits`` is ``None`` where
    the settings make no sense; ``endpoint`` is empty there (:mod:`config.endpoints`).
    """

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
    grant_id: str | None = None
    way: Way | None = None
    method: Method | None = None
    account_email: str = ""
    account_name: str = ""
    limits: AccountLimits | None = None
    endpoint: str = ""

    @property
    def status(self) -> Status:
        """What a person is told; an organisation without a summary is ``Status.NOT_CONFIGURED``."""
        if self.suspended_code is not None:
            return Status.NEEDS_ATTENTION
        return Status.CONNECTED if self.verified_at is None else Status.VERIFIED
