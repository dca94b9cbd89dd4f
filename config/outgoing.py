"""How this process reaches mail servers and providers, out of its settings: whom it trusts, where it may go.

Organisations' servers stand behind the address guard, in every process and for every purpose, a test included; the
platform's own relay and providers do not: they are reached at the addresses that the process was given, never at one
that an organisation entered.
"""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import replace

from config.choices import TransportKind, TransportSettings
from config.organizations_account import Server
from config.process import Settings
from transports.gmail.settings import GmailContext
from transports.http import Http
from transports.microsoft365.settings import GraphContext
from transports.protocol import Tokens, Transport
from transports.registry import TransportContext, build
from transports.smtp.guard import Guard
from transports.smtp.observer import ConnectionObserver, SilentObserver
from transports.smtp.settings import Security, SmtpContext, SmtpSettings

MakeTransport = Callable[[TransportSettings], Transport]


def for_organizations(
    settings: Settings,
    observer: ConnectionObserver | None = None,
    tokens: Tokens | None = None,
    http: Http | None = None,
) -> MakeTransport:
    """What builds transports of organisations, servers behind the guard; connected accounts need both last parts.

    What is built raises ``ValueError`` for an account whose part is missing.
    """
    smtp = SmtpContext(
        trust(settings),
        Guard(ports=settings.smtp_ports, allow_networks=settings.allow_networks),
        settings.ehlo_name,
        tokens=tokens,
        observer=observer or SilentObserver(),
    )
    if tokens is None or http is None:
        return _maker(TransportContext(smtp))
    graph, gmail = GraphContext(http, tokens, settings.graph_url), GmailContext(http, tokens, settings.gmail_url)
    entered = _maker(TransportContext(smtp))
    connected = _maker(TransportContext(replace(smtp, guard=None), graph, gmail))

    def make(account: TransportSettings) -> Transport:
        at_a_place_of_theirs = isinstance(account, SmtpSettings) and account.grant is None
        return entered(account) if at_a_place_of_theirs else connected(account)

    return make


def for_platform(settings: Settings, observer: ConnectionObserver | None = None) -> MakeTransport:
    """What builds the transport of the platform's own relay, which may stand anywhere."""
    smtp = SmtpContext(trust(settings), None, settings.ehlo_name, observer=observer or SilentObserver())
    return _maker(TransportContext(smtp))


def trust(settings: Settings) -> ssl.SSLContext:
    """A context that verifies servers by the system's authorities and those of ``MAILROOM_TLS_CA_FILE``."""
    tls = ssl.create_default_context()
    if settings.tls_ca_file is not None:
        tls.load_verify_locations(settings.tls_ca_file)
    return tls


def provider_servers(settings: Settings) -> Mapping[TransportKind, Server]:
    """The providers' SMTP servers, for :class:`~config.organizations.Organizations`."""
    return {
        TransportKind.MICROSOFT365: _server(settings.microsoft_smtp, Security.STARTTLS),
        TransportKind.GMAIL: _server(settings.gmail_smtp, Security.TLS),
    }


def _server(place: str, security: Security) -> Server:
    host, _, port = place.rpartition(":")
    return Server(host.strip("[]"), int(port), security)


def _maker(context: TransportContext) -> MakeTransport:
    def make(account: TransportSettings) -> Transport:
        return build(account, context)

    return make
