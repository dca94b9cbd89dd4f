"""A stand-in for Microsoft 365: Entra ID and Microsoft Graph's mail, as strict as documented, delivering nothing."""

import json
import ssl
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from deploy.local.providers.base import ProviderSandbox
from deploy.local.providers.base_values import Consent, Fault, Mail
from deploy.local.providers.entra_admin import AdminConsent
from deploy.local.providers.entra_consent import ConsentPages
from deploy.local.providers.entra_directory import App, Directory, MicrosoftAccount, object_id, trust
from deploy.local.providers.entra_errors import REASONS, body
from deploy.local.providers.entra_grants import Access, Grants
from deploy.local.providers.entra_scopes import DELEGATED, GRAPH, MAIL_SEND, OIDC, Wanted, full
from deploy.local.providers.entra_token import TokenEndpoint
from deploy.local.providers.graph import Graph
from deploy.local.providers.graph_errors import error_body, problem

NAMES: Final = (
    "login.microsoftonline.com",
    "graph.microsoft.com",
    "outlook.office.com",
    "outlook.office365.com",
    "smtp.office365.com",
)
"""Host names of the real services; a resolver of one's own may point them here."""
CLIENT_ID: Final = "5f0c7a52-8a51-4c1f-9d0e-6e3b1c0a7d11"


class MicrosoftSandbox(ProviderSandbox[MicrosoftAccount]):
    """Entra and Graph at one address; see :class:`ProviderSandbox` for the arguments.

    Switches: ``grants.rotation_kills`` (a used refresh token dies at once; the real one lets it live),
    ``grants.access_lifetime`` and the like, ``graph.limits``, ``graph.send_from_alias_enabled``,
    ``graph.directory_names``, ``graph.dropped_fields``.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        ca_file: Path | None = None,
        clock: Callable[[], float] = time.time,
        arrived: Callable[[Mail], None] = lambda _: None,
        client_secret: str = "sandbox~Secret.8Q~for-trying-things-out",  # noqa: S107 - it opens nothing
    ) -> None:
        super().__init__(names=NAMES, tls=tls, ca_file=ca_file, clock=clock, arrived=arrived)
        self.client_id, self.client_secret = CLIENT_ID, client_secret
        self.directory = Directory(self.accounts)
        self.grants = Grants(self.directory, self.now, lambda: self.url)
        self.app = self.directory.add_app(
            App(CLIENT_ID, "Mailroom", secrets={client_secret: True}, delegated=frozenset(DELEGATED))
        )
        self.graph = Graph(self)
        self._tokens = TokenEndpoint(self)
        self._pages = ConsentPages(self)
        self._admins = AdminConsent(self)

    @property
    def authority(self) -> str:
        """For people of every tenant; an app of one tenant uses ``{url}/{tenant}``."""
        return f"{self.url}/organizations"

    @property
    def settings(self) -> dict[str, str]:
        """What a process is told to work with this stand-in, besides ``MAILROOM_TLS_CA_FILE``."""
        return {
            "MAILROOM_MICROSOFT_CLIENT_ID": self.client_id,
            "MAILROOM_MICROSOFT_CLIENT_SECRET": self.client_secret,
            "MAILROOM_MICROSOFT_AUTHORITY": self.authority,
            "MAILROOM_GRAPH_URL": self.url,
        }

    @property
    def resource_aliases(self) -> dict[str, str]:
        """Graph may be named by its address here too, as it is in other clouds."""
        return {self.url: GRAPH}

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Entra's and Graph's."""
        yield from self._tokens.routes()
        yield from self._pages.routes()
        yield from self._admins.routes()
        yield from self.graph.routes()

    def refusal(self, endpoint: str, status: int, retry_after: int | str | None = None) -> web.Response:
        """In the words of Entra or of Graph."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        if endpoint.partition(":")[0] in ("token", "discovery", "keys", "authorize", "consent", "adminconsent"):
            answer = body(90055 if status == 429 else 90033, self.clock())
            return web.json_response(answer, status=status, headers=headers)
        return problem(status, clock=self.clock, headers=headers)

    def now(self) -> float:
        """What the clock says, whichever it is by now."""
        return self.clock()

    def add_account(  # noqa: PLR0913 - each says something else about a mailbox
        self,
        address: str,
        name: str,
        *,
        tenant: str = "",
        aliases: Sequence[str] = (),
        send_as: Sequence[str] = (),
        on_behalf: Sequence[str] = (),
        full_access: Sequence[str] = (),
        licensed: bool = True,
        consent: Consent = "user",
        upn: str = "",
    ) -> MicrosoftAccount:
        """A mailbox; ``tenant`` is a directory id or domain, by default the domain of the address."""
        account = MicrosoftAccount(
            address=address,
            name=name,
            subject=object_id(address),
            tenant=self.directory.tenant_id(tenant or address.rpartition("@")[2]),
            aliases=tuple(aliases),
            send_as=tuple(send_as),
            licensed=licensed,
            consent=consent,
            upn=upn or address,
            on_behalf=tuple(on_behalf),
            full_access=tuple(full_access),
        )
        self.accounts[address.lower()] = account
        return account

    def add_app(
        self,
        tenant: str,
        client_id: str,
        secret: str | None = None,
        certificate: str | bytes | None = None,
        permissions: Sequence[str] = ("Mail.Send",),
        *,
        mailboxes: Sequence[str] | None = None,
    ) -> App:
        """An app that an organisation registered itself, with application permissions; ``certificate`` is PEM.

        With ``mailboxes`` it may send for those only.
        """
        app = App(
            client_id,
            f"App {client_id}",
            tenant=self.directory.tenant_id(tenant),
            secrets={secret: True} if secret else {},
            roles=frozenset(full(one) for one in permissions),
            mailboxes=None if mailboxes is None else frozenset(one.lower() for one in mailboxes),
        )
        if certificate is not None:
            trust(app, certificate)
        return self.directory.add_app(app)

    def trust_certificate(self, certificate: str | bytes, client_id: str = CLIENT_ID) -> None:
        """An app may sign in with this certificate (PEM) too."""
        trust(self.directory.apps[client_id], certificate)

    def grant(self, address: str, *, scopes: Iterable[str] = (MAIL_SEND,)) -> str:
        """A refresh token, as after a consent to these permissions."""
        account, permissions = self.account(address), frozenset(full(one) for one in scopes)
        self.directory.consent(account, self.app, permissions)
        resource = next(iter(permissions)).rpartition("/")[0]
        wanted = Wanted(OIDC, resource, f"{resource}/", permissions)
        return self.grants.new_refresh(account, self.app, wanted)

    def token(self, address: str, *, scopes: Iterable[str] = (MAIL_SEND,), expires_in: float = 3600) -> str:
        """An access token with exactly these permissions, which are of one resource."""
        permissions = frozenset(full(one) for one in scopes)
        resource = next(iter(permissions)).rpartition("/")[0]
        account = self.account(address)
        return self.grants.new_access(
            self.app, account.tenant, resource, permissions, account, lifetime=expires_in
        ).token

    def app_token(self, client_id: str, *, resource: str = GRAPH, expires_in: float = 3600) -> str:
        """An access token of an app on its own."""
        app = self.directory.apps[client_id]
        return self.grants.new_access(app, app.tenant, resource, app.roles, lifetime=expires_in).token

    def access(self, token: str, resource: str) -> Access | None:
        """What an access token is good for at a resource: ``None`` when it is unknown, expired or for another one."""
        found = self.grants.accesses.get(token)
        good = found is not None and found.resource == resource and self.clock() < found.expires
        return found if good else None

    def revoke(self, address: str) -> None:
        """As after "revoke sessions". Access tokens end too: a real one may live on for an hour."""
        self.grants.revoke(self.account(address).address)
        self.grants.expire_access(address)

    def withdraw_consent(self, address: str) -> None:
        """As after removing the app from the account: AADSTS65001 from now on."""
        self.directory.withdraw(self.account(address), self.app)
        self.grants.expire_access(address)

    def refuse_tokens(self, address: str, number: int | str = 0) -> None:
        """Every request for a token of this account gets that AADSTS number; 0 ends it."""
        self.account(address).refused = str(number) if number else ""

    def expire_access(self, address: str) -> None:
        """All access tokens of an account, or of an app by its client id, have expired."""
        self.grants.expire_access(address)

    def expire_secret(self, client_id: str = CLIENT_ID) -> None:
        """The secrets of an app have expired."""
        for secret in self.directory.apps[client_id].secrets:
            self.directory.apps[client_id].secrets[secret] = False

    def restore_secret(self, client_id: str = CLIENT_ID) -> None:
        """Undoes that."""
        for secret in self.directory.apps[client_id].secrets:
            self.directory.apps[client_id].secrets[secret] = True

    def remove(self, address: str) -> None:
        """The account is gone."""
        del self.accounts[self.account(address).address.lower()]

    def actions(self) -> Mapping[str, Callable[[dict[str, Any]], object]]:
        """Further steps by HTTP."""
        return {
            "refuse_tokens": lambda given: self.refuse_tokens(str(given["account"]), given.get("number", 0)),
            "withdraw_consent": lambda given: self.withdraw_consent(str(given["account"])),
            "restore_secret": lambda _: self.restore_secret(),
            "remove": lambda given: self.remove(str(given["account"])),
        }

    def aadsts(self, number: int) -> Fault:
        """The token endpoint's refusal with that number, as a fault."""
        return Fault.status(REASONS[number].status, json.dumps(body(number, self.clock())))

    def graph_error(self, status: int, code: str, *, retry_after: int | str | None = None) -> Fault:
        """Graph's refusal with that code, as a fault."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        return Fault.status(status, json.dumps(error_body(status, code, clock=self.clock)), headers)
