"""What the settings page is built of: made once by the composition root, given to every route."""

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from fastapi import Request

from config.drafts import Drafts
from config.grants import Grants
from config.held_back import HeldBackReading
from config.history import History
from config.oauth.flows import Flows
from config.oauth.provider import OAuthProvider
from config.oauth.revoking import Revoking
from config.oauth.values import Provider
from config.organizations import Organizations
from config.process import Network
from config.save_and_test import Announce, SaveAndTest
from config.sending_limits import SendingLimits
from config.sessions import Sessions
from config.trials import Trials
from config.web.handover import Handover
from transports.message import Mailbox

if TYPE_CHECKING:
    from config.dns.report import DomainReport


class DomainChecks(Protocol):
    """Looks at the public records of a sender's domain; answers are kept for some minutes."""

    async def __call__(
        self, domain: str, *, server: str | None, selectors: Sequence[str] = (), refresh: bool = False
    ) -> "DomainReport":
        """The report. ``server`` is the host the mail leaves by, ``selectors`` the DKIM ones to try first.

        With ``refresh`` it is made of new answers, unless that was just done.
        """
        ...


@dataclass(frozen=True, slots=True)
class WebSettings:
    """What the pages need to know of the process's settings.

    ``base_url`` is how browsers reach them: scheme, host and port, no path, no final slash. ``trusted_proxies`` are
    the networks whose ``X-Forwarded-For`` is believed.
    """

    base_url: str
    default_sender: Mailbox | None = None
    trusted_proxies: tuple[Network, ...] = ()

    @property
    def https(self) -> bool:
        """Whether browsers come by TLS."""
        return self.base_url.startswith("https://")

    @property
    def authority(self) -> str:
        """Host and port as a browser sends them in ``Host``."""
        return urlsplit(self.base_url).netloc


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """All that routes use. ``ready`` tells whether the store answers; ``clock`` is monotonic, in seconds.

    ``providers`` has every provider, set up by the platform or not; ``new_state`` gives a text that nobody can guess.
    """

    settings: WebSettings
    organizations: Organizations
    limits: SendingLimits
    held_back: HeldBackReading
    drafts: Drafts
    history: History
    trials: SaveAndTest
    trial_rows: Trials
    sessions: Sessions
    handover: Handover
    domains: DomainChecks
    announce: Announce
    providers: Mapping[Provider, OAuthProvider]
    grants: Grants
    flows: Flows
    revoking: Revoking
    ready: Callable[[], Awaitable[bool]]
    now: Callable[[], datetime]
    clock: Callable[[], float]
    new_state: Callable[[], str] = lambda: secrets.token_urlsafe(32)


def services_of(request: Request) -> Services:
    """The services of the application that a request came to."""
    services: Services = request.app.state.services
    return services
