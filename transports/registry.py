"""From settings to a transport: the one place that knows all kinds. Adding a kind is adding a row."""

from collections.abc import Callable
from dataclasses import dataclass

from transports.protocol import Transport
from transports.smtp.settings import SmtpContext, SmtpSettings
from transports.smtp.transport import SmtpTransport

TransportSettings = SmtpSettings
"""The settings of any kind: a union, once there is a second one."""


@dataclass(frozen=True, slots=True)
class TransportContext:
    """What the transports of a process share, kind by kind.

    A platform default that is to be reached without the address guard gets a context of its own.
    """

    smtp: SmtpContext


def build(settings: TransportSettings, context: TransportContext) -> Transport:
    """A transport for ``settings``, not connected yet.

    Raises ``TypeError`` for settings of no known kind.
    """
    factory = _FACTORIES.get(type(settings))
    if factory is None:
        raise TypeError(f"no transport for {type(settings).__name__}")
    return factory(settings, context)


def _smtp(settings: SmtpSettings, context: TransportContext) -> Transport:
    return SmtpTransport(settings, context=context.smtp)


_FACTORIES: dict[type, Callable[[TransportSettings, TransportContext], Transport]] = {SmtpSettings: _smtp}
