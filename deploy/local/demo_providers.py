"""The demo's Microsoft and Google: their stand-ins with one account for each organisation that has one there.

Mails they take stand beside those of the mail servers, so that all are judged alike.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, Final, Self

from deploy.local.demo_parts import ORGANIZATIONS, Organization
from deploy.local.lifetime import Server
from deploy.local.providers.base import ProviderSandbox
from deploy.local.providers.base_values import Mail
from deploy.local.providers.google import HOSTS as GOOGLE_HOSTS
from deploy.local.providers.google import GoogleSandbox
from deploy.local.providers.microsoft import NAMES as MICROSOFT_HOSTS
from deploy.local.providers.microsoft import MicrosoftSandbox
from deploy.local.providers.smtp_oauth import SmtpOAuth
from deploy.local.sandbox import Sandbox
from deploy.local.sandbox_mail import Envelope

CALLBACKS: Final = {
    "microsoft": ("/oauth/microsoft/callback", "/oauth/microsoft/admin-consent"),
    "google": ("/oauth/google/callback",),
}
"""Where Mailroom's pages take people back, by provider."""
GRAPH: Final = "graph.microsoft.com"
GMAIL: Final = "gmail.googleapis.com"

_REMARKS: Final = {
    ("user", True): "agrees",
    ("user", False): "agrees, but has no mailbox",
    ("admin", True): "may not agree before an administrator does",
    ("blocked", True): "may not agree, the organisation forbids it",
}


class Providers(Server):
    """Both providers and their SMTP servers; a context manager. ``sandbox`` keeps the mails and gives certificates."""

    def __init__(self, sandbox: Sandbox, organizations: Sequence[Organization] = ORGANIZATIONS) -> None:
        self.microsoft = MicrosoftSandbox(
            tls=sandbox.certified(*MICROSOFT_HOSTS), ca_file=sandbox.ca_file, arrived=partial(self._arrived, GRAPH)
        )
        self.google = GoogleSandbox(
            tls=sandbox.certified(*GOOGLE_HOSTS), ca_file=sandbox.ca_file, arrived=partial(self._arrived, GMAIL)
        )
        self.smtp = SmtpOAuth(self.microsoft, self.google)
        self._sandbox = sandbox
        self._stack = ExitStack()
        for one in organizations:
            if one.provider == "microsoft":
                self.microsoft.add_account(one.username, one.alias)
            elif one.provider == "google":
                self.google.add_account(one.username, f"Ada of {one.id}", send_as=(one.address,))
        # For whoever tries things out by hand.
        self.microsoft.add_account("notifications@acme.example", "ACME notifications", aliases=("hello@acme.example",))
        self.microsoft.add_account("kim@umbrella.example", "Kim", consent="admin")
        self.microsoft.add_account("lee@umbrella.example", "Lee", licensed=False)
        self.google.add_account("notifications@acme.example", "ACME notifications", aliases=("hello@acme.example",))
        self.google.add_account("jo@gmail.com", "Jo")
        self.google.add_account("sam@closed.example", "Sam", consent="blocked")

    def start(self) -> Self:
        """Starts them all."""
        for server in (self.microsoft, self.google, self.smtp):
            self._stack.enter_context(server)
        return self

    def close(self) -> None:
        """Ends them all; may be called twice."""
        self._stack.close()

    @property
    def settings(self) -> dict[str, str]:
        """What Mailroom must be told of them."""
        return {**self.microsoft.settings, **self.google.settings, **self.smtp.settings}

    @property
    def ports(self) -> tuple[int, ...]:
        """Those of the SMTP servers, which organisations must be allowed to use."""
        return tuple(int(value.rpartition(":")[2]) for value in self.smtp.settings.values())

    @property
    def secrets(self) -> tuple[str, ...]:
        """Everything that was given out and must be read nowhere: client secrets, codes, tokens of every kind."""
        microsoft = self.microsoft.grants
        entra = (*microsoft.codes, *microsoft.refreshes, *microsoft.accesses)
        return (self.microsoft.client_secret, self.google.client_secret, *entra, *self.google.grants.given)

    @property
    def people(self) -> tuple[tuple[str, str, str], ...]:
        """Whom a person may choose at a consent page: the provider, the address, and what becomes of it."""
        boxes: tuple[tuple[str, ProviderSandbox[Any]], ...] = (
            ("Microsoft 365", self.microsoft),
            ("Google", self.google),
        )
        accounts = [(name, one) for name, box in boxes for one in box.accounts.values()]
        return tuple((name, one.address, _REMARKS[one.consent, one.licensed]) for name, one in accounts)

    def box(self, one: Organization) -> ProviderSandbox[Any]:
        """The provider of an organisation."""
        return self.microsoft if one.provider == "microsoft" else self.google

    def register(self, url: str) -> None:
        """Registers where Mailroom's pages are as redirect addresses."""
        for name, box in (("microsoft", self.microsoft), ("google", self.google)):
            box.redirect_uris.update(f"{url}{path}" for path in CALLBACKS[name])

    def _arrived(self, server: str, mail: Mail) -> None:
        envelope = Envelope(
            greeting="",
            sender=mail.sender,
            recipients=mail.recipients,
            content=mail.content,
            tls="TLS",
            cipher="",
            user=mail.account,
            mechanism=f"OAuth 2.0 ({mail.form})",
        )
        self._sandbox.keep(server, envelope, traced=False)
