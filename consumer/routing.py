"""Whose transport carries an event: pure. There is no fall-back from one transport to another, whatever breaks (R6)."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from config.choices import OrganizationSettings, TransportSettings
from config.endpoints import endpoint_of
from config.limits import Limits
from consumer.outcome import Reason
from transports.errors import Code
from transports.message import Mailbox
from transports.microsoft365.settings import Microsoft365Settings
from transports.smtp.settings import SmtpSettings

DEFAULT: Final = "default"
_PLATFORM_LIMITS: Final = Limits(8)


@dataclass(frozen=True, slots=True)
class PlatformDefault:
    """The platform's own SMTP service and its no-reply sender (R1); ``limits`` are for all organisations together."""

    smtp: SmtpSettings
    sender: Mailbox
    limits: Limits = _PLATFORM_LIMITS


@dataclass(frozen=True, slots=True)
class Account:
    """What a transport is built from; only the platform's own account may be reached without the address guard."""

    settings: TransportSettings
    platform: bool


@dataclass(frozen=True, slots=True)
class Route:
    """The one way out for an event.

    ``key`` names the pool of connections: an organisation, or the empty string for the platform default.
    ``version`` is that of the organisation's settings, 0 for the default. ``endpoint`` is the server that the mail goes
    to, which accounts of several organisations may have in common: see :mod:`config.endpoints`.
    """

    key: str
    transport: str
    account: Account
    sender: Mailbox
    version: int
    limits: Limits
    endpoint: str
    suspended: bool = False

    @property
    def platform(self) -> bool:
        """Whether this is the platform's own transport, whose faults are ours and never an organisation's."""
        return self.account.platform

    @property
    def fingerprint(self) -> str:
        """Tells the account at the provider from any other, whatever else is set; it names neither host nor person.

        Another password or another consent for the same mailbox is the same account.
        """
        settings = self.account.settings
        if isinstance(settings, SmtpSettings):
            who = settings.username or ""
        elif isinstance(settings, Microsoft365Settings):
            # The mailbox of a person's consent may not be known by name; then it is known by the consent.
            who = settings.user or settings.mailbox or settings.grant
        else:
            who = settings.mailbox
        identity = repr((self.transport, self.endpoint, who.lower()))
        return hashlib.blake2b(identity.encode(), digest_size=9).hexdigest()


@dataclass(frozen=True, slots=True)
class NoRoute:
    """There is no way out now: the organisation's account needs attention, or nothing is set up for it."""

    reason: Code | Reason
    transport: str
    platform: bool


def choose(settings: OrganizationSettings | None, default: PlatformDefault | None, now: datetime) -> Route | NoRoute:
    """The route of an organisation; ``settings`` is ``None`` only when it has configured nothing at all.

    A suspended account is tried again once its ``retry_at`` has come, and not before.
    """
    if settings is None:
        if default is None:
            return NoRoute(Code.PLATFORM_SETTINGS, DEFAULT, platform=True)
        return Route(
            "",
            DEFAULT,
            Account(default.smtp, platform=True),
            default.sender,
            version=0,
            limits=default.limits,
            endpoint=endpoint_of(default.smtp),
        )
    if settings.account is None:
        return NoRoute(Reason.UNSUPPORTED_TRANSPORT, settings.kind.value, platform=False)
    suspension = settings.suspension
    if suspension is not None and (suspension.retry_at is None or now < suspension.retry_at):
        return NoRoute(suspension.code, settings.kind.value, platform=False)
    return Route(
        settings.organization,
        settings.kind.value,
        Account(settings.account, platform=False),
        settings.sender,
        settings.version,
        settings.limits,
        endpoint_of(settings.account),
        suspended=suspension is not None,
    )
