"""What a process has for connected accounts: the providers' clients, the grants and their tokens, one HTTP session."""

import uuid
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from config import outgoing
from config.choices import TransportSettings
from config.grants import Grants
from config.oauth import clients
from config.oauth.provider import OAuthProvider
from config.oauth.revoking import Revoking
from config.oauth.tokens import Tokens
from config.oauth.tokens_values import OnRefresh, unheard
from config.oauth.values import Provider
from config.process import Settings
from config.secrets import SecretBox
from config.store import Store
from transports.http import Http
from transports.protocol import TokenSource, Transport
from transports.smtp.observer import ConnectionObserver


class Connections:
    """For one event loop; opens nothing before its first use. ``on_refresh`` is told of each call for a token.

    Raises ConfigurationError when the app's certificate cannot be used any more.
    """

    def __init__(self, settings: Settings, store: Store, box: SecretBox, *, on_refresh: OnRefresh = unheard) -> None:
        self._settings = settings
        tls = outgoing.trust(settings)
        self.providers: Mapping[Provider, OAuthProvider] = clients.providers(settings, tls)
        self.grants = Grants(store, box)
        # A name of its own for each start: a lease of a process that died is not taken for one's own.
        self.tokens = Tokens(self.grants, self.providers, holder=uuid.uuid4().hex, on_refresh=on_refresh)
        self.revoking = Revoking(self.grants, self.providers)
        graph = urlsplit(settings.graph_url).netloc
        self.http = Http(tls, hosts={graph: settings.microsoft_max_requests})

    def transports(self, observer: ConnectionObserver | None = None) -> Callable[[TransportSettings], Transport]:
        """What builds organisations' transports for their mails."""
        return outgoing.for_organizations(self._settings, observer, self.tokens.source, self.http)

    def trial_transports(self) -> Callable[[TransportSettings], Transport]:
        """What builds them for a test that a person waits for: also a grant that was found dead is tried."""
        return outgoing.for_organizations(self._settings, None, self._insisting, self.http)

    def _insisting(self, grant: str) -> TokenSource:
        return self.tokens.source(grant, insist=True)

    async def aclose(self) -> None:
        """To be called when no transport is in use any more, and the store still is: tokens under way are kept."""
        await self.revoking.aclose()
        await self.tokens.aclose()
        for provider in self.providers.values():
            await provider.aclose()
        await self.http.aclose()
