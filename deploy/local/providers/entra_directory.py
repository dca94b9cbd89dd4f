"""Who and what is in the directories: tenants, mailboxes and app registrations, and who consented to what."""

import base64
import hashlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from deploy.local.providers.base_values import Account
from deploy.local.providers.entra_errors import Refused
from deploy.local.providers.entra_scopes import ADMIN_ONLY, full

ANY_TENANT: Final = ("organizations", "common")
_NAMES: Final = uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")


@dataclass(slots=True)
class MicrosoftAccount(Account):
    """A mailbox in a tenant; ``subject`` is its object id.

    ``upn`` is the name it signs in with. ``on_behalf`` are mailboxes it may send on behalf of, which recipients see,
    ``full_access`` those it may open.
    """

    upn: str = ""
    on_behalf: tuple[str, ...] = ()
    full_access: tuple[str, ...] = ()

    def owns(self, address: str) -> bool:
        """Whether it is one of the mailbox's own addresses."""
        return address.lower() in {one.lower() for one in (self.address, self.upn, *self.aliases)}


@dataclass(slots=True)
class App:
    """An app registration: multi-tenant without ``tenant``.

    ``secrets`` says of each whether it is still good; ``certificates`` are by ``x5t#S256``. ``delegated`` are what it
    may ask people for, ``roles`` what an administrator granted it for itself. With ``mailboxes`` (addresses) its roles
    are limited to those.
    """

    client_id: str
    name: str
    tenant: str = ""
    secrets: dict[str, bool] = field(default_factory=dict, repr=False)
    certificates: dict[str, x509.Certificate] = field(default_factory=dict)
    delegated: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    mailboxes: frozenset[str] | None = None
    enabled: bool = True


def thumbprint(certificate: x509.Certificate) -> str:
    """The ``x5t#S256`` of a certificate (RFC 7515 §4.1.8)."""
    return _unpadded(certificate.fingerprint(hashes.SHA256()))


def trust(app: App, certificate: str | bytes) -> None:
    """Adds a certificate (PEM) to a registration."""
    data = certificate.encode() if isinstance(certificate, str) else certificate
    found = x509.load_pem_x509_certificate(data)
    app.certificates[thumbprint(found)] = found


def _unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


class Directory:
    """All tenants together. ``accounts`` is shared with the sandbox and keyed by lower-case address."""

    def __init__(self, accounts: dict[str, MicrosoftAccount]) -> None:
        self.accounts = accounts
        self.apps: dict[str, App] = {}
        self.tenants: dict[str, str] = {}
        self._people: dict[tuple[str, str], set[str]] = {}
        self._admins: dict[tuple[str, str], set[str]] = {}

    def tenant_id(self, name: str) -> str:
        """The id of the tenant with that domain or id, which is there from now on."""
        name = name.lower()
        try:
            found = str(uuid.UUID(name))
        except ValueError:
            found = self.tenants.get(name) or str(uuid.uuid5(_NAMES, name))
        self.tenants[name] = self.tenants[found] = found
        return found

    def tenant(self, name: str) -> str:
        """The tenant an authority names; empty for any.

        Raises:
            Refused: there is none.
        """
        if name.lower() in ANY_TENANT:
            return ""
        found = self.tenants.get(name.lower())
        if found is None:
            raise Refused(90002, name)
        return found

    def domain(self, tenant: str) -> str:
        """A name for people."""
        return next((name for name, found in self.tenants.items() if found == tenant and name != found), tenant)

    def find(self, name: str) -> MicrosoftAccount | None:
        """The account with that object id, user principal name or address."""
        wanted = name.lower()
        direct = self.accounts.get(wanted)
        if direct is not None:
            return direct
        return next((one for one in list(self.accounts.values()) if wanted in (one.subject, one.upn.lower())), None)

    def add_app(self, app: App) -> App:
        """Registers it."""
        self.apps[app.client_id] = app
        return app

    def consent(self, account: MicrosoftAccount, app: App, permissions: Iterable[str]) -> None:
        """A person said yes; what was given before stays."""
        self._people.setdefault((account.subject, app.client_id), set()).update(full(one) for one in permissions)

    def consent_for_tenant(self, tenant: str, app: App, permissions: Iterable[str]) -> None:
        """An administrator said yes for everybody."""
        self._admins.setdefault((tenant, app.client_id), set()).update(full(one) for one in permissions)

    def withdraw(self, account: MicrosoftAccount, app: App) -> None:
        """Nobody has said yes any more, not the administrator either."""
        self._people.pop((account.subject, app.client_id), None)
        self._admins.pop((account.tenant, app.client_id), None)

    def granted(self, account: MicrosoftAccount, app: App) -> frozenset[str]:
        """All that the app may do in the person's name."""
        own = self._people.get((account.subject, app.client_id), set())
        return frozenset(own | self._admins.get((account.tenant, app.client_id), set()))

    def needs_admin(self, account: MicrosoftAccount, app: App, permissions: frozenset[str]) -> bool:
        """Whether the person cannot consent alone, and no administrator has yet."""
        missing = permissions - self.granted(account, app)
        return bool(missing) and (account.consent == "admin" or bool(missing & ADMIN_ONLY))


def object_id(address: str) -> str:
    """The object id of an account: the same at every start."""
    return str(uuid.uuid5(_NAMES, f"object:{address.lower()}"))


def pairwise(account: MicrosoftAccount, app: App) -> str:
    """The ``sub`` of an account, which is another one at every app."""
    return _unpadded(hashlib.sha256(f"{account.subject}:{app.client_id}".encode()).digest())
