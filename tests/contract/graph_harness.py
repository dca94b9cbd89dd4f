"""The conformance suite's test bed for Microsoft 365: the sandbox, by MIME or by JSON."""

from collections.abc import Mapping
from types import MappingProxyType

from deploy.local.providers.entra_directory import MicrosoftAccount
from deploy.local.providers.microsoft import MicrosoftSandbox
from tests.contract.harness import CANARY
from tests.contract.http_harness import HttpHarness
from tests.fakes.smtpd_client import GRANT, Grant
from tests.fixtures_tls import TestCertificates
from transports.microsoft365.settings import GraphContext, Microsoft365Settings
from transports.microsoft365.transport import Microsoft365Transport
from transports.protocol import Tokens, Transport

SENDER = "sender@example.org"
MAILBOX = "notifications@example.org"


class GraphHarness(HttpHarness[MicrosoftAccount]):
    name = "microsoft365"
    facts: Mapping[str, frozenset[str]] = MappingProxyType(
        {
            "tls": frozenset({"protocol", "issuer", "subject", "expires"}),
            "sign_in": frozenset({"mechanism"}),
            "sender": frozenset({"proof"}),
        }
    )

    def __init__(self, tls: TestCertificates, *, own_address: bool) -> None:
        box = MicrosoftSandbox(tls=tls.server.server_context(), ca_file=tls.ca_file, clock=lambda: 1_795_000_000.0)
        box.start()
        self._mailbox = SENDER if own_address else MAILBOX
        box.add_account(self._mailbox, "Notifications", aliases=() if own_address else (SENDER,))
        box.graph.send_from_alias_enabled = True
        self.secret = box.token(self._mailbox)
        super().__init__(box, tls.client_context())

    def make(self) -> Transport:
        return self._make(self.url, Grant(self.secret))

    def make_with_wrong_secret(self) -> Transport:
        return self._make(self.url, self.refused)

    def make_unreachable(self) -> Transport:
        return self._make("https://localhost:1", Grant(self.secret))

    def _make(self, url: str, tokens: Tokens) -> Transport:
        context = GraphContext(self.http(), tokens, url=url)
        return Microsoft365Transport(Microsoft365Settings(GRANT, self._mailbox), context=context)

    def refuse_recipient(self, address: str) -> None:
        self.refuse(400, {"error": {"code": "ErrorInvalidRecipients", "message": f"{CANARY} is none"}})

    def refuse_mail(self) -> None:
        self.refuse(400, {"error": {"code": "ErrorMimeContentInvalid", "message": f"{CANARY} dislikes it"}})

    def defer_mail(self) -> None:
        self.refuse(503, {"error": {"code": "serviceNotAvailable", "message": f"{CANARY} is busy"}})
