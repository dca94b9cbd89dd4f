"""How fast an account may be used: presets by provider, what an organisation overrides, and the values themselves.

Every number of a preset has its source beside it. They are what a provider publishes for one mailbox; a provider that
wants less says so while mail is sent, and the lanes learn from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from transports.gmail.settings import GmailSettings
from transports.microsoft365.settings import Microsoft365Settings
from transports.settings import TransportSettings


class DayUnit(StrEnum):
    """What a daily budget counts."""

    MAILS = "mails"
    RECIPIENTS = "recipients"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one account is asked to do at most; every send counts, also one that fails.

    ``concurrency`` mails under way at once, ``per_minute`` mails that begin in any 60 seconds, ``per_day`` mails or
    recipients (``day_unit``) in any 24 hours; ``None``: no such limit.
    """

    concurrency: int
    per_minute: int | None = None
    per_day: int | None = None
    day_unit: DayUnit = DayUnit.MAILS

    def __post_init__(self) -> None:
        if self.concurrency < 1 or any(limit is not None and limit < 1 for limit in (self.per_minute, self.per_day)):
            raise ValueError("limits must be at least 1")

    @property
    def paced(self) -> bool:
        """Whether every mail counts for longer than it is under way."""
        return self.per_minute is not None or self.per_day is not None


Overrides = Mapping[str, int]
"""What an organisation chose instead of the preset: ``connections``, ``per_minute``, ``per_day`` (0: no such limit)."""

CONNECTIONS: Final = "connections"
PER_MINUTE: Final = "per_minute"
PER_DAY: Final = "per_day"
OVERRIDABLE: Final = (CONNECTIONS, PER_MINUTE, PER_DAY)
"""The names in :data:`Overrides`."""

_GRAPH: Final = Limits(4, per_day=10_000, day_unit=DayUnit.RECIPIENTS)
"""Four requests at once per app and mailbox: Microsoft Graph, "Microsoft Graph service-specific throttling limits"
(Outlook service limits). 10,000 recipients a day: Microsoft, "Exchange Online limits" (sending limits). Beyond that
Graph asks to slow down by 429 and Retry-After."""

_EXCHANGE_SMTP: Final = Limits(3, per_minute=30, per_day=10_000, day_unit=DayUnit.RECIPIENTS)
"""Three connections and 30 messages a minute per mailbox: Microsoft, "Improvements in the SMTP Authenticated
Submission client protocol"; the recipients as for Graph."""

_GMAIL: Final = Limits(4, per_minute=60, per_day=2_000)
"""6,000 quota units a minute and user, 100 for ``messages.send``: Google, "Gmail API usage limits". 2,000 messages a
day: Google Workspace, "Gmail sending limits in Google Workspace". Google names no number for requests at once of one
user, only the error "Too many concurrent requests for user"; four is ours."""

_GMAIL_SMTP: Final = Limits(4, per_day=2_000)
"""Google Workspace, "Gmail sending limits in Google Workspace"; the connections are ours."""

_GMAIL_CONSUMER_DAY: Final = 500
"""Messages a day of an account at gmail.com: Gmail Help, "Limits for sending and getting mail"."""

_EXCHANGE_HOSTS: Final = frozenset(
    {"smtp.office365.com", "outlook.office365.com", "smtp.office365.us", "smtp.partner.outlook.cn"}
)
_GMAIL_HOSTS: Final = frozenset({"smtp.gmail.com", "smtp.googlemail.com"})
_GMAIL_CONSUMER: Final = frozenset({"gmail.com", "googlemail.com"})


def limits_for(settings: TransportSettings, overrides: Overrides) -> Limits:
    """The limits of an account: its provider's preset with what was chosen instead.

    ``settings.max_connections`` caps the concurrency of a preset; a chosen number of ``connections`` stands as it is,
    so whoever stores one gives the transport as many.

    Raises:
        ValueError: an override has an unknown name or makes no sense.
    """
    if not overrides.keys() <= set(OVERRIDABLE) or min(overrides.values(), default=0) < 0:
        raise ValueError("unknown or negative limits")
    preset = _preset(settings)
    return Limits(
        overrides.get(CONNECTIONS, min(preset.concurrency, settings.max_connections)),
        overrides.get(PER_MINUTE, preset.per_minute) or None,
        overrides.get(PER_DAY, preset.per_day) or None,
        preset.day_unit,
    )


def _preset(settings: TransportSettings) -> Limits:
    if isinstance(settings, Microsoft365Settings):
        return _GRAPH
    if isinstance(settings, GmailSettings):
        return _of_google(_GMAIL, settings.mailbox)
    host = settings.host.lower().removesuffix(".")
    if host in _EXCHANGE_HOSTS:
        return _EXCHANGE_SMTP
    if host in _GMAIL_HOSTS:
        return _of_google(_GMAIL_SMTP, settings.username or "")
    # Of any other server only its operator knows: as many connections as it is set up with.
    return Limits(settings.max_connections)


def _of_google(preset: Limits, mailbox: str) -> Limits:
    domain = mailbox.rpartition("@")[2].lower()
    if domain not in _GMAIL_CONSUMER:
        return preset
    return Limits(preset.concurrency, preset.per_minute, _GMAIL_CONSUMER_DAY, preset.day_unit)
