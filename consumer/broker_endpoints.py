"""From broker URLs to what pika connects with; and from a failed attempt to one word that is safe to show.

No text made here contains a URL or a password.
"""

import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import pika
from pika import exceptions


class Problem(StrEnum):
    """Why there is no connection: a closed set. Only the first two need a person every time."""

    AUTHENTICATION = "authentication"  # user or password refused
    VHOST = "vhost"  # the virtual host is missing, down, or not permitted
    TLS = "tls"  # certificate not trusted, expired or for another name; or no TLS spoken there
    PROTOCOL = "protocol"  # whatever listens there does not speak AMQP 0-9-1
    NAME = "name"  # the host name does not resolve
    REFUSED = "refused"  # nothing listens there
    TIMEOUT = "timeout"  # no answer in time
    LOST = "lost"  # the connection ended while it was being set up, or later
    UNREACHABLE = "unreachable"  # any other network error


NEEDS_A_PERSON: Final = frozenset({Problem.AUTHENTICATION, Problem.VHOST, Problem.TLS})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One broker node of the URL list."""

    host: str
    port: int
    vhost: str
    username: str
    password: str = field(repr=False)
    tls: bool

    @property
    def label(self) -> str:
        """Host and port, for logs."""
        return f"{self.host}:{self.port}"


def parse_url(url: str) -> Endpoint:
    """Read ``amqp[s]://[user[:password]@]host[:port][/vhost]``; the query part is ignored.

    Ignored because pika's own query options can switch verification and heartbeats off. Raises ValueError with a
    text that does not repeat the URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("a broker URL cannot be read (is the port a number?)") from None  # the cause quotes the URL
    if parts.scheme not in ("amqp", "amqps"):
        raise ValueError("a broker URL must start with amqp:// or amqps://")
    if not parts.hostname:
        raise ValueError("a broker URL has no host")
    tls = parts.scheme == "amqps"
    return Endpoint(
        host=parts.hostname,
        port=port or (5671 if tls else 5672),
        vhost=unquote(parts.path[1:]) or "/",
        username=unquote(parts.username or "guest"),
        password=unquote(parts.password or "guest"),
        tls=tls,
    )


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """A verifying context: the system's authorities, and those of ``ca_file`` besides."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context


def parameters(
    endpoint: Endpoint, context: ssl.SSLContext, *, heartbeat: int, timeout: float, name: str
) -> pika.ConnectionParameters:
    """Parameters of one attempt: single, bounded, and named so that an operator recognises the connection."""
    return pika.ConnectionParameters(
        host=endpoint.host,
        port=endpoint.port,
        virtual_host=endpoint.vhost,
        credentials=pika.PlainCredentials(endpoint.username, endpoint.password),
        ssl_options=pika.SSLOptions(context, endpoint.host) if endpoint.tls else None,  # type: ignore[arg-type]  # stub
        heartbeat=heartbeat,
        connection_attempts=1,
        retry_delay=0,
        socket_timeout=timeout,
        stack_timeout=timeout,
        blocked_connection_timeout=None,
        client_properties={"connection_name": name, "product": "Mailroom"},
    )


_TABLE: Final[tuple[tuple[type[BaseException], Problem], ...]] = (
    (exceptions.AuthenticationError, Problem.AUTHENTICATION),
    (ssl.SSLEOFError, Problem.LOST),  # the peer went away in the handshake: no fault of the certificate
    (ssl.SSLZeroReturnError, Problem.LOST),
    (ssl.SSLError, Problem.TLS),
    (exceptions.IncompatibleProtocolError, Problem.PROTOCOL),
    (exceptions.ProtocolSyntaxError, Problem.PROTOCOL),
    (socket.gaierror, Problem.NAME),
    (ConnectionRefusedError, Problem.REFUSED),
    (TimeoutError, Problem.TIMEOUT),
    (exceptions.StreamLostError, Problem.LOST),
    (exceptions.ConnectionClosedByBroker, Problem.LOST),
    (ConnectionError, Problem.LOST),
)


def classify(error: BaseException | str | None) -> Problem:
    """One word for what pika reports when a connection cannot be made; it nests the cause several levels deep."""
    causes = tuple(_causes(error, 0))
    for cause in causes:
        if isinstance(cause, exceptions.ProbableAuthenticationError | exceptions.ProbableAccessDeniedError):
            return _refusal(cause)
    for kind, problem in _TABLE:
        if any(isinstance(cause, kind) for cause in causes):
            return problem
    # A stack time-out of pika's has a class of its own in a module that has no stubs.
    return Problem.TIMEOUT if any("Timeout" in type(cause).__name__ for cause in causes) else Problem.UNREACHABLE


def _refusal(error: BaseException) -> Problem:
    """What pika calls a probable refusal is any end of the connection in that step, a cut wire included.

    A refusal proper comes with the broker's reply code, of which pika leaves only the text: 403 for a wrong
    password or a vhost without permission, 530 for a vhost that does not exist or is down.
    """
    if _REFUSED_BY_BROKER.search(str(error)) is None:
        return Problem.LOST
    if isinstance(error, exceptions.ProbableAuthenticationError):
        return Problem.AUTHENTICATION
    return Problem.VHOST


_REFUSED_BY_BROKER: Final = re.compile(r"ConnectionClosedByBroker: \((?:403|530)\)")


def _causes(error: object, depth: int) -> Iterator[BaseException]:
    if not isinstance(error, BaseException) or depth > 8:
        return
    yield error
    for inner in (*error.args, *getattr(error, "exceptions", ()), getattr(error, "exception", None)):
        yield from _causes(inner, depth + 1)
