"""The conformance suite's test bed for Gmail: the sandbox for Google, by the API."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from deploy.local.providers.google import GoogleSandbox
from tests.contract.harness import CANARY
from tests.contract.http_harness import HttpHarness
from tests.fakes.smtpd_client import GRANT, Grant
from tests.fixtures_tls import TestCertificates
from transports.gmail.settings import GmailContext, GmailSettings
from transports.gmail.transport import GmailTransport
from transports.protocol import Tokens, Transport

MAILBOX = "notifications@example.org"
SENDER = "sender@example.org"
OWN_FIELDS = re.compile(rb"^(?:Received|Message-ID):.*\r\n(?:[ \t].*\r\n)*", re.MULTILINE)
"""What Gmail writes itself, at every attempt anew."""


class GmailHarness(HttpHarness):
    name = "gmail"
    facts: Mapping[str, frozenset[str]] = MappingProxyType(
        {
            "tls": frozenset({"protocol", "issuer", "subject", "expires"}),
            "sign_in": frozenset({"mechanism"}),
            "sender": frozenset({"proof"}),
        }
    )

    def __init__(self, tls: TestCertificates) -> None:
        box = GoogleSandbox(tls=tls.server.server_context(), ca_file=tls.ca_file)
        box.start()
        box.add_account(MAILBOX, "Notifications", send_as=(SENDER,))
        box.quotas.per_minute = None
        self.secret = box.token(MAILBOX)
        super().__init__(box, tls.client_context())

    def make(self) -> Transport:
        return self._make(self.url, Grant(self.secret))

    def make_with_wrong_secret(self) -> Transport:
        return self._make(self.url, self.refused)

    def make_unreachable(self) -> Transport:
        return self._make("https://localhost:1", Grant(self.secret))

    def _make(self, url: str, tokens: Tokens) -> Transport:
        return GmailTransport(GmailSettings(GRANT, MAILBOX), context=GmailContext(self.http(), tokens, url))

    def delivered(self) -> list[tuple[str, bytes]]:
        return [(recipient, OWN_FIELDS.sub(b"", content)) for recipient, content in super().delivered()]

    def refuse_recipient(self, address: str) -> None:
        self._refuse(400, "invalidArgument", f"Invalid To header {CANARY}")

    def refuse_mail(self) -> None:
        self._refuse(400, "badRequest", f"{CANARY} dislikes it")

    def defer_mail(self) -> None:
        self._refuse(429, "rateLimitExceeded", f"{CANARY} is busy")

    def _refuse(self, status: int, reason: str, message: str) -> None:
        one = {"reason": reason, "domain": CANARY, "message": message}
        self.refuse(status, {"error": {"code": status, "message": message, "errors": [one]}})
