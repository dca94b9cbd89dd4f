"""From settings to a transport: the one place that knows all kinds. Adding a kind is adding a row."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from transports.gmail.settings import GmailContext, GmailSettings
from transports.gmail.transport import GmailTransport
from transports.microsoft365.settings import GraphContext, Microsoft365Settings
from transports.microsoft365.transport import Microsoft365Transport
from transports.protocol import Transport
from transports.settings import TransportSettings
from transports.smtp.settings import SmtpContext, SmtpSettings
from transports.smtp.transport import SmtpTransport

C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class TransportContext:
    """What the transports of a process share, kind by kind; None for a kind that this process does not send by.

    A platform default that is to be reached without the address guard gets a context of its own.
    """

    smtp: SmtpContext
    microsoft365: GraphContext | None = None
    gmail: GmailContext | None = None


def build(settings: TransportSettings, context: TransportContext) -> Transport:
    """A transport for ``settings``, not connected yet.

    Raises ``TypeError`` for settings of no known kind, ``ValueError`` for a kind that ``context`` has nothing for.
    """
    factory = _FACTORIES.get(type(settings))
    if factory is None:
        raise TypeError(f"no transport for {type(settings).__name__}")
    return factory(settings, context)


def _smtp(settings: SmtpSettings, context: TransportContext) -> Transport:
    return SmtpTransport(settings, context=context.smtp)


def _microsoft365(settings: Microsoft365Settings, context: TransportContext) -> Transport:
    return Microsoft365Transport(settings, context=_given(context.microsoft365, "microsoft365"))


def _gmail(settings: GmailSettings, context: TransportContext) -> Transport:
    return GmailTransport(settings, context=_given(context.gmail, "gmail"))


def _given(context: C | None, kind: str) -> C:
    if context is None:
        raise ValueError(f"this process has no context for {kind}")
    return context


_FACTORIES: dict[type, Callable[..., Transport]] = {
    SmtpSettings: _smtp,
    Microsoft365Settings: _microsoft365,
    GmailSettings: _gmail,
}
