"""The conformance suite's test bed for SMTP: aiosmtpd over STARTTLS or implicit TLS."""

from collections.abc import Mapping
from types import MappingProxyType

from tests.contract.harness import CANARY
from tests.fakes.smtpd import FakeSmtpd, Wire
from tests.fakes.smtpd_client import CREDENTIALS, PASSWORD, USER, transport
from tests.fixtures_tls import TestCertificates
from transports.protocol import Transport
from transports.smtp.settings import Security


class SmtpHarness:
    name = "smtp"
    secret = PASSWORD
    envelope = True
    facts: Mapping[str, frozenset[str]] = MappingProxyType(
        {"tls": frozenset({"protocol", "issuer", "subject", "expires"}), "sign_in": frozenset({"mechanism"})}
    )

    def __init__(self, tls: TestCertificates, security: Security) -> None:
        self._trust, self._security = tls.client_context(), security
        self._server = FakeSmtpd(
            tls=tls.server.server_context(), implicit_tls=security is Security.TLS, credentials=CREDENTIALS
        )
        self._server.start()

    def make(self) -> Transport:
        return self._make(self._server.port, PASSWORD)

    def make_with_wrong_secret(self) -> Transport:
        return self._make(self._server.port, "wrong")

    def make_unreachable(self) -> Transport:
        with FakeSmtpd() as gone:
            port = gone.port
        return self._make(port, PASSWORD)

    def _make(self, port: int, password: str) -> Transport:
        return transport(port, self._trust, self._security, username=USER, password=password)

    def delivered(self) -> list[tuple[str, bytes]]:
        return [(recipient, taken.content) for taken in self._server.mails for recipient in taken.recipients]

    def sign_ins(self) -> int:
        return len(self._server.auth_attempts)

    def refuse_recipient(self, address: str) -> None:
        self._server.script.on("RCPT", f"550 5.1.1 <{CANARY}> unknown", match=address)

    def defer_recipient(self, address: str) -> None:
        self._server.script.on("RCPT", f"450 4.2.1 <{CANARY}> later", match=address)

    def refuse_mail(self) -> None:
        self._server.script.on("BODY", f"554 5.6.0 {CANARY} dislikes it")

    def defer_mail(self) -> None:
        self._server.script.on("BODY", f"451 4.3.0 {CANARY} is busy")

    def hang_before_hand_over(self) -> None:
        self._server.script.on("MAIL", Wire.HANG)

    def hang_after_hand_over(self) -> None:
        self._server.script.on("BODY", Wire.TAKE_AND_HANG)

    def cut_after_hand_over(self) -> None:
        self._server.script.on("BODY", Wire.TAKE_AND_CUT)

    def cut_before_hand_over(self) -> None:
        self._server.script.on("DATA", Wire.CUT)

    def behave(self) -> None:
        self._server.script.clear()

    async def close(self) -> None:
        self._server.stop()
