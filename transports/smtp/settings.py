"""What an SMTP transport is given: the account's settings and the process's context. No behaviour."""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from transports.protocol import Tokens
from transports.smtp.guard import Guard, Resolver
from transports.smtp.observer import ConnectionObserver, SilentObserver
from transports.smtp.resolver import system_resolver


class Security(StrEnum):
    """How the connection is protected. There is no opportunistic TLS: what is set is required."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """One account at one submission server. Equal settings mean the same transport can be kept.

    With ``grant`` the sign-in is XOAUTH2 with tokens of that grant, else ``password`` is used; without ``username``
    there is none.
    ``Security.NONE`` is for a relay on the platform's own network; a sign-in over it must be allowed by
    ``plaintext_sign_in`` as well, else ``ValueError``.
    """

    host: str
    port: int
    security: Security
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    grant: str | None = None
    max_connections: int = 4
    plaintext_sign_in: bool = False

    def __post_init__(self) -> None:
        if self.max_connections < 1:
            raise ValueError("max_connections must be at least 1")
        if self.username is None:
            return
        if (self.password is None) == (self.grant is None):
            raise ValueError("a username needs either a password or a grant")
        if self.security is Security.NONE and not self.plaintext_sign_in:
            raise ValueError("a sign-in without TLS must be allowed by plaintext_sign_in")


@dataclass(frozen=True, slots=True)
class SmtpContext:
    """What all SMTP transports of a process share; times in seconds.

    ``ssl_context`` must verify certificates and host names (``ValueError`` otherwise). ``guard`` is None only for
    the platform's own relay. ``clock`` is monotonic and serves the ages of kept connections; deadlines run on the
    event loop's clock. ``tokens`` serves settings with a grant, and may be None where there are none.
    ``address_pause`` is how long a check behind the guard takes at least to say that a host cannot be used, whatever
    the reason.
    """

    ssl_context: ssl.SSLContext
    guard: Guard | None
    local_hostname: str
    tokens: Tokens | None = None
    address_pause: float = 1.0
    connect_timeout: float = 15.0
    command_timeout: float = 30.0
    reset_timeout: float = 5.0
    quit_timeout: float = 2.0
    max_mails_per_connection: int = 100
    max_idle: float = 30.0
    max_age: float = 300.0
    refusal_pause: float = 900.0
    limit_recovery: float = 300.0
    clock: Callable[[], float] = time.monotonic
    resolver: Resolver = system_resolver
    observer: ConnectionObserver = field(default_factory=SilentObserver)

    def __post_init__(self) -> None:
        if self.ssl_context.verify_mode is not ssl.CERT_REQUIRED or not self.ssl_context.check_hostname:
            raise ValueError("the TLS context must verify certificates and host names")
        name = self.local_hostname
        if not name or not name.isascii() or not name.isprintable() or " " in name:
            raise ValueError("local_hostname must be a host name in ASCII")
