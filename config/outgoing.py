"""How this process reaches mail servers, out of its settings: whom it trusts, what it says, where it may go.

Organisations' servers stand behind the address guard, in every process and for every purpose, a test included; only
the platform's own relay does not.
"""

import ssl
from collections.abc import Callable

from config.process import Settings
from transports.protocol import Transport
from transports.registry import TransportContext, TransportSettings, build
from transports.smtp.guard import Guard
from transports.smtp.observer import ConnectionObserver, SilentObserver
from transports.smtp.settings import SmtpContext

MakeTransport = Callable[[TransportSettings], Transport]


def for_organizations(settings: Settings, observer: ConnectionObserver | None = None) -> MakeTransport:
    """What builds transports of organisations, with the guard."""
    guard = Guard(ports=settings.smtp_ports, allow_networks=settings.allow_networks)
    return _maker(settings, guard, observer)


def for_platform(settings: Settings, observer: ConnectionObserver | None = None) -> MakeTransport:
    """What builds the transport of the platform's own relay, which may stand anywhere."""
    return _maker(settings, None, observer)


def _maker(settings: Settings, guard: Guard | None, observer: ConnectionObserver | None) -> MakeTransport:
    tls = ssl.create_default_context()
    if settings.tls_ca_file is not None:
        tls.load_verify_locations(settings.tls_ca_file)
    context = TransportContext(SmtpContext(tls, guard, settings.ehlo_name, observer=observer or SilentObserver()))

    def make(account: TransportSettings) -> Transport:
        return build(account, context)

    return make
