"""The account behind settings that were connected at a provider: what its grant's row says, and what is built of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from config.choices import TransportKind, TransportSettings
from config.grants_rows import identity_of
from config.oauth.values import Identity, Method, Provider, Way
from transports.gmail.settings import GmailSettings
from transports.microsoft365.settings import Microsoft365Settings
from transports.smtp.settings import Security, SmtpSettings

_LARGE_MAILS: Final = "Mail.ReadWrite"
_EXCHANGE_CONNECTIONS: Final = 3
"""Exchange Online's limit for a mailbox (Microsoft Learn, "Improvements in SMTP client submission")."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Server:
    """A provider's SMTP server."""

    host: str
    port: int
    security: Security


PROVIDER_SERVERS: Final[Mapping[TransportKind, Server]] = {
    TransportKind.MICROSOFT365: Server("smtp.office365.com", 587, Security.STARTTLS),
    TransportKind.GMAIL: Server("smtp.gmail.com", 465, Security.TLS),
}
"""Where mail goes with a provider's account by SMTP."""


@dataclass(frozen=True, slots=True)
class Account:
    """A connected account as settings name it."""

    grant: str
    kind: TransportKind
    method: Method
    way: Way
    identity: Identity
    scopes: frozenset[str]

    def same_use(self, other: "Account") -> bool:
        """Whether both are one account, used in one way with the same kind of consent; what it is called may differ."""
        uses = [(account.kind, account.method, account.way) for account in (self, other)]
        return uses[0] == uses[1] and self.identity.same_account(other.identity)

    def settings(self, servers: Mapping[TransportKind, Server]) -> TransportSettings:
        """What a transport is built from.

        Raises:
            ValueError: the account has no address, which its way needs.
        """
        mailbox = self.identity.email
        if self.way is Way.SMTP:
            return self._by_smtp(servers[self.kind])
        if self.kind is TransportKind.GMAIL:
            return GmailSettings(self.grant, mailbox, own_app=self.method is Method.APP)
        user = mailbox if self.method is Method.APP else ""
        large = any(scope.rpartition("/")[2] == _LARGE_MAILS for scope in self.scopes)
        # With an address that may be none of the mailbox's, Exchange decides about every sender.
        known = mailbox if self.identity.mailbox_known else ""
        return Microsoft365Settings(self.grant, known, user, large_mails=large)

    def _by_smtp(self, server: Server) -> SmtpSettings:
        name = self.identity.email
        if not name:
            raise ValueError("no address to sign in with")
        made = SmtpSettings(server.host, server.port, server.security, username=name, grant=self.grant)
        exchange = self.kind is TransportKind.MICROSOFT365
        return replace(made, max_connections=_EXCHANGE_CONNECTIONS) if exchange else made


def account_of(grant: Row) -> Account:
    """The account of a row of grants."""
    return Account(
        grant=grant["id"],
        kind=TransportKind.of(Provider(grant["provider"])),
        method=Method(grant["method"]),
        way=Way(grant["way"]),
        identity=identity_of(grant),
        scopes=frozenset(grant["scopes"]),
    )


def account_in_use(row: Row) -> Account | None:
    """The account of an organisation's row; ``None`` where there is none, or none that its settings could have."""
    if row["grant_id"] is None or row["grant_provider"] is None:
        return None
    names = ("provider", "method", "way", "subject", "tenant", "email", "name", "scopes")
    found = account_of({"id": row["grant_id"], **{name: row[f"grant_{name}"] for name in names}})
    return found if found.kind == row["kind"] else None
