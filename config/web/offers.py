"""The providers an account can be connected at: what they are called, and the addresses of their pages. No texts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from config.choices import TransportKind
from config.oauth.values import Provider


@dataclass(frozen=True, slots=True)
class Offer:
    """One provider. ``name`` is the product's, ``company`` who asks for consent; names are never translated.

    ``path`` is the page that everything begins at, ``callback`` where the provider sends the browser back to, and
    ``admin_callback`` where it does after an administrator's consent, if there is such a thing.
    """

    provider: Provider
    kind: TransportKind
    name: str
    company: str
    path: str
    callback: str
    admin_callback: str = ""

    @property
    def sender(self) -> str:
        """The page with the sender of a connected account."""
        return f"{self.path}/sender"

    @property
    def app(self) -> str:
        """The page for an app of the organisation's own."""
        return f"{self.path}/app"


MICROSOFT: Final = Offer(
    Provider.MICROSOFT,
    TransportKind.MICROSOFT365,
    "Microsoft 365",
    "Microsoft",
    "/settings/microsoft365",
    "/oauth/microsoft/callback",
    "/oauth/microsoft/admin-consent",
)
GOOGLE: Final = Offer(
    Provider.GOOGLE, TransportKind.GMAIL, "Google", "Google", "/settings/google", "/oauth/google/callback"
)
OFFERS: Final = (MICROSOFT, GOOGLE)
BY_KIND: Final[Mapping[str, Offer]] = {offer.kind.value: offer for offer in OFFERS}
