"""The values of connecting an account: whose consent, for what, and what came of it. No store, no client."""

from dataclasses import dataclass, field
from enum import StrEnum

from config.secrets import Secret


class Provider(StrEnum):
    """Who gives the tokens."""

    MICROSOFT = "microsoft"
    GOOGLE = "google"


class Method(StrEnum):
    """Whose consent a grant rests on: a person's, or that of an app the organisation registered itself."""

    PERSON = "person"
    APP = "app"


class Way(StrEnum):
    """How mail leaves with the grant: by the provider's API, or by its SMTP server with XOAUTH2."""

    API = "api"
    SMTP = "smtp"


@dataclass(frozen=True, slots=True)
class Identity:
    """The account that consented.

    ``subject`` and ``tenant`` name it for good (Microsoft: ``oid`` and ``tid``; Google: ``sub`` and, for a Workspace
    account, ``hd``); ``email`` and ``name`` are what a person knows it by. ``email`` is its mailbox if
    ``mailbox_known``; otherwise it is the name the account signs in with, which may be no address of the mailbox.
    """

    subject: str
    tenant: str
    email: str
    name: str = ""
    mailbox_known: bool = True

    def same_account(self, other: "Identity") -> bool:
        """Whether both are one account, whatever it is called by now."""
        return (self.subject, self.tenant) == (other.subject, other.tenant)


@dataclass(frozen=True, slots=True)
class AppCredentials:
    """An app that the organisation registered itself, and the mailbox it sends for.

    Microsoft: ``tenant`` (a directory id or domain), ``client_id`` and either a client secret or, with
    ``certificate``, a PEM text of private key and certificate. Google: the service account's JSON key as ``secret``,
    ``client_id`` and ``tenant`` (its project) as they stand in the key.
    """

    client_id: str
    tenant: str
    mailbox: str
    secret: Secret = field(repr=False)
    certificate: bool = False


@dataclass(frozen=True, slots=True)
class TokenSet:
    """What a token endpoint gave. ``expires_in`` is in seconds from the request; ``scopes`` are those granted.

    Without ``refresh_token`` the one that was used stays good. ``identity`` comes with a consent only.
    """

    access_token: Secret
    expires_in: float
    scopes: frozenset[str]
    refresh_token: Secret | None = None
    identity: Identity | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """A consent that was asked for: where the browser goes, and what must be kept on the server until it is back.

    ``flow`` holds the PKCE verifier and the nonce; it is a secret.
    """

    url: str
    state: str
    flow: Secret
