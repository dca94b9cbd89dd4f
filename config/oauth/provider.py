"""What a provider of tokens does, whoever it is. The clients of Microsoft and Google are its implementations."""

from collections.abc import Mapping
from typing import Protocol

from config.oauth.values import AppCredentials, Begun, Provider, TokenSet, Way
from config.secrets import Secret


class ConsentRefused(Exception):
    """The way back from the provider brought no usable consent.

    ``code`` is one of ``declined`` (the person said no), ``admin_consent_needed``, ``access_policy``,
    ``scope_missing`` (what is needed was ticked off, or not given), ``expired`` (code or flow too old, or used),
    ``invalid`` (it does not fit what was asked for) or ``unavailable`` (the provider failed; try again).
    ``detail`` has numbers and words of ours, such as ``AADSTS65004``, never the provider's text.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


class OAuthProvider(Protocol):
    """Talks to one provider's authorisation server with the platform's own app credentials.

    Safe to use concurrently; nothing blocks the event loop, and every call ends within its time-out. Except where said,
    failures are :class:`~transports.errors.AccountProblem` (the grant or the organisation's app),
    ``PlatformProblem`` (our app's credentials or settings) or ``Temporary`` (the provider is away or throttles).
    """

    @property
    def provider(self) -> Provider:
        """Which one it is."""
        ...

    @property
    def configured(self) -> bool:
        """Whether the platform has app credentials for it, so that a person can connect an account."""
        ...

    async def begin(self, way: Way, redirect_uri: str, *, login_hint: str = "", select_account: bool = False) -> Begun:
        """Prepares a consent by authorisation code and PKCE (RFC 7636), with a fresh state and nonce."""
        ...

    async def finish(self, way: Way, flow: Secret, query: Mapping[str, str]) -> TokenSet:
        """Redeems what the browser brought back; checks state, nonce and granted scopes.

        The set has an identity and a refresh token. Raises ConsentRefused, ``PlatformProblem`` or ``Temporary``.
        """
        ...

    async def refresh(self, way: Way, refresh_token: Secret, *, tenant: str = "") -> TokenSet:
        """A new access token. One request; whether to try again is the caller's decision.

        A Microsoft token is refreshed at its ``tenant``'s authority.
        """
        ...

    async def app_token(self, way: Way, credentials: AppCredentials) -> TokenSet:
        """An access token for an app of the organisation. Wrong credentials are an ``AccountProblem`` here."""
        ...

    async def revoke(self, refresh_token: Secret) -> bool:
        """Ends a grant at the provider; ``False`` where the provider has no such thing. Raises ``Temporary``."""
        ...

    def admin_consent_url(self, way: Way, redirect_uri: str, state: str) -> str:
        """Where an administrator of the customer's tenant consents for everybody; empty where there is no such page."""
        ...

    async def aclose(self) -> None:
        """Gives up threads and connections. Idempotent."""
        ...
