"""A provider of tokens that does what a test tells it to, without any network."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from config.oauth.provider import ConsentRefused
from config.oauth.values import AppCredentials, Begun, Identity, Provider, TokenSet, Way
from config.secrets import Secret
from transports.errors import DeliveryError

ORIGINS = {
    Provider.MICROSOFT: "https://login.microsoft.example",
    Provider.GOOGLE: "https://accounts.google.example:8443",
}


@dataclass(slots=True)
class ScriptedProvider:
    """Implements :class:`config.oauth.provider.OAuthProvider`.

    ``outcome`` is who consents next, or what is in the way; ``mark`` stands in every secret it gives, so that it is
    seen wherever it gets.
    """

    provider: Provider
    configured: bool = True
    outcome: Identity | ConsentRefused | DeliveryError = field(
        default_factory=lambda: Identity("subject-1", "tenant-1", "notifications@acme.example", "Acme Notifications")
    )
    mark: str = "mark-of-a-secret"
    begun: list[tuple[Way, str, str, bool]] = field(default_factory=list)
    finished: list[Mapping[str, str]] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)
    unreachable: DeliveryError | None = None

    async def begin(self, way: Way, redirect_uri: str, *, login_hint: str = "", select_account: bool = False) -> Begun:
        """A consent page of nobody."""
        if self.unreachable is not None:
            raise self.unreachable
        self.begun.append((way, redirect_uri, login_hint, select_account))
        state = secrets.token_urlsafe(24)
        query = urlencode({"state": state, "redirect_uri": redirect_uri})
        return Begun(f"{ORIGINS[self.provider]}/authorize?{query}", state, Secret(f"{self.mark} {state}"))

    async def finish(self, way: Way, flow: Secret, query: Mapping[str, str]) -> TokenSet:
        """Gives the outcome, if the flow is the one of the query."""
        self.finished.append(query)
        if flow != Secret(f"{self.mark} {query.get('state')}") or "code" not in query:
            raise ConsentRefused("invalid")
        if not isinstance(self.outcome, Identity):
            raise self.outcome
        number = len(self.finished)
        return TokenSet(
            access_token=Secret(f"{self.mark} access {number}"),
            expires_in=3600,
            scopes=frozenset({"openid", "email", "Mail.Send"}),
            refresh_token=Secret(f"{self.mark} refresh {number}"),
            identity=self.outcome,
        )

    async def refresh(self, way: Way, refresh_token: Secret, *, tenant: str = "") -> TokenSet:
        """Never asked for by a page."""
        raise NotImplementedError

    async def app_token(self, way: Way, credentials: AppCredentials) -> TokenSet:
        """Never asked for by a page."""
        raise NotImplementedError

    async def revoke(self, refresh_token: Secret) -> bool:
        """As at the real ones: Google ends it, Microsoft has no such thing."""
        if self.unreachable is not None:
            raise self.unreachable
        self.revoked.append(refresh_token.reveal())
        return self.provider is Provider.GOOGLE

    def admin_consent_url(self, way: Way, redirect_uri: str, state: str) -> str:
        """Where an administrator consents, at Microsoft."""
        if self.provider is Provider.GOOGLE:
            return ""
        return f"{ORIGINS[self.provider]}/adminconsent?{urlencode({'state': state, 'redirect_uri': redirect_uri})}"

    async def aclose(self) -> None:
        """There is nothing to close."""
