"""The mail servers an administrator may try: one that is right, and one for each thing that can be wrong."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from deploy.local.ports import free_block
from tests.fakes.smtpd import FakeSmtpd
from tests.fixtures_tls import TestCertificates

USER, PASSWORD = "notifications@acme.example", "the password of the tests"


@dataclass(frozen=True, slots=True)
class MailServers:
    """Real SMTP servers on ports of their own; nothing listens on ``closed``."""

    good: FakeSmtpd
    implicit: FakeSmtpd
    expired: FakeSmtpd
    self_signed: FakeSmtpd
    wrong_name: FakeSmtpd
    plain: FakeSmtpd
    strict: FakeSmtpd
    closed: int

    def ports(self) -> str:
        """All of them, as a setting."""
        servers = (self.good, self.implicit, self.expired, self.self_signed, self.wrong_name, self.plain, self.strict)
        return ",".join(str(port) for port in (*(server.port for server in servers), self.closed))


@contextmanager
def mail_servers(tls: TestCertificates) -> Iterator[MailServers]:
    """All of them, until the end."""
    with ExitStack() as stack:

        def server(**options: object) -> FakeSmtpd:
            return stack.enter_context(FakeSmtpd(credentials=[(USER, PASSWORD)], **options))  # type: ignore[arg-type]

        strict = server(tls=tls.server.server_context())
        strict.script.on("MAIL", "550 5.7.60 not allowed to send as this sender")
        yield MailServers(
            good=server(tls=tls.server.server_context()),
            implicit=server(tls=tls.server.server_context(), implicit_tls=True),
            expired=server(tls=tls.expired.server_context()),
            self_signed=server(tls=tls.self_signed.server_context()),
            wrong_name=server(tls=tls.wrong_name.server_context()),
            plain=server(auth_without_tls=True),
            strict=strict,
            closed=free_block(1),
        )
