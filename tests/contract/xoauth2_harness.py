"""The conformance suite's test bed for SMTP with a token: the same server, which knows no passwords."""

from collections.abc import Mapping
from types import MappingProxyType

from tests.contract.smtp_harness import SmtpHarness
from tests.fakes.smtpd import FakeSmtpd
from tests.fakes.smtpd_client import GRANT, USER, Grant, transport
from tests.fixtures_tls import TestCertificates
from transports.protocol import Transport
from transports.smtp.settings import Security

TOKEN = "ya29.s3cret-token"


class Xoauth2Harness(SmtpHarness):
    secret = TOKEN
    facts: Mapping[str, frozenset[str]] = MappingProxyType(dict(SmtpHarness.facts))

    def __init__(self, tls: TestCertificates, security: Security) -> None:
        self._trust, self._security = tls.client_context(), security
        self._dead = Grant("dead", "dead too")
        self._server = FakeSmtpd(
            tls=tls.server.server_context(),
            implicit_tls=security is Security.TLS,
            credentials=[(USER, TOKEN)],
            mechanisms=("PLAIN", "XOAUTH2"),
        )
        self._server.start()

    def make(self) -> Transport:
        return self._with(self._server.port, Grant(TOKEN))

    def make_with_wrong_secret(self) -> Transport:
        return self._with(self._server.port, self._dead)

    def make_unreachable(self) -> Transport:
        with FakeSmtpd() as gone:
            port = gone.port
        return self._with(port, Grant(TOKEN))

    def _with(self, port: int, tokens: Grant) -> Transport:
        return transport(port, self._trust, self._security, username=USER, grant=GRANT, context_tokens=tokens)

    def sign_ins(self) -> int:
        """A token that was refused and renewed is one sign-in."""
        return len(self._server.auth_attempts) - self._dead.refreshes
