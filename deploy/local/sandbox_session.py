"""One connection to a server of the mail catcher: aiosmtpd, with the refusals of a provider's submission service."""

import re
from typing import TYPE_CHECKING, Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword, Session
from aiosmtpd.smtp import Envelope as RawEnvelope

from deploy.local.sandbox_mail import Envelope

if TYPE_CHECKING:
    from deploy.local.sandbox import MailServer

MAX_BYTES = 32 * 1024 * 1024
MAX_LINE = 998  # RFC 5322 §2.1.1, without the line end


class Conversation(SMTP):
    """Talks to one client. Nothing but EHLO, STARTTLS and QUIT before TLS, no mail before a sign-in."""

    def __init__(self, server: "MailServer") -> None:
        self.server = server
        self.signed_in = ("", "")
        super().__init__(
            Hooks(server),
            hostname=server.account.server,
            ident="ESMTP sandbox",
            tls_context=None if server.implicit else server.context,
            require_starttls=not server.implicit,
            auth_require_tls=not server.implicit,
            authenticator=self._sign_in,
            data_size_limit=MAX_BYTES,
            enable_SMTPUTF8=True,
        )

    def _sign_in(self, _: SMTP, __: Session, ___: RawEnvelope, mechanism: str, given: object) -> AuthResult:
        account = self.server.account
        if not isinstance(given, LoginPassword):
            return AuthResult(success=False, handled=False)
        right = (given.login, given.password) == (account.username.encode(), account.password.encode())
        if right:
            self.signed_in = (account.username, mechanism)
        return AuthResult(success=right, handled=False, auth_data=given)


class Hooks:
    """What aiosmtpd asks about senders, recipients and contents."""

    def __init__(self, server: "MailServer") -> None:
        self._server = server

    async def handle_MAIL(  # noqa: N802 - aiosmtpd finds it by this name
        self, _: Conversation, session: Session, envelope: RawEnvelope, address: str, options: list[str]
    ) -> str:
        """Takes mail after a sign-in and from senders of the account only, as providers do."""
        if not session.authenticated:
            return "530 5.7.0 Authentication required"
        if address not in self._server.account.senders:
            return "553 5.7.1 Sender address rejected: not owned by the user who signed in"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Sender ok"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd finds it by this name
        self, _: Conversation, __: Session, envelope: RawEnvelope, address: str, ___: list[str]
    ) -> str:
        """Takes every recipient that no rule names; non-ASCII ones only in an SMTPUTF8 mail (RFC 6531 §3.5)."""
        reply = self._server.reply_to("RCPT", [address])
        if reply is None and not address.isascii() and not envelope.smtp_utf8:
            reply = "553 5.6.7 The address needs SMTPUTF8"
        if reply is not None:
            self._server.refuse([address], reply)
            return reply
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Recipient ok"

    async def handle_DATA(  # noqa: N802 - aiosmtpd finds it by this name
        self, conversation: Conversation, session: Session, envelope: RawEnvelope
    ) -> str:
        """Takes a mail that keeps to the standards and that no rule refuses."""
        content = envelope.original_content or b""
        recipients = [str(address) for address in envelope.rcpt_tos]
        reply = _breach(content, envelope) or self._server.reply_to("DATA", recipients)
        if reply is not None:
            self._server.refuse(recipients, reply, content)
            return reply
        transport: Any = conversation.transport
        user, mechanism = conversation.signed_in
        secured = transport.get_extra_info("ssl_object")
        self._server.take(
            Envelope(
                greeting=str(session.host_name),
                sender=str(envelope.mail_from),
                recipients=tuple(recipients),
                content=content,
                tls=secured.version(),
                cipher=secured.cipher()[0],
                user=user,
                mechanism=mechanism,
            )
        )
        return "250 2.0.0 Taken"


def _breach(content: bytes, envelope: RawEnvelope) -> str | None:
    """The refusal of a mail that breaks RFC 5321 or 5322."""
    if re.search(rb"[^\r]\n|\r[^\n]|^\n", content):
        return "554 5.6.0 Bare line end"
    if max(map(len, content.split(b"\r\n"))) > MAX_LINE:
        return "554 5.6.0 Line too long"
    if not content.isascii() and "BODY=8BITMIME" not in envelope.mail_options and not envelope.smtp_utf8:
        return "554 5.6.0 8-bit content that was not announced"
    for name in (b"From", b"Date", b"Message-ID"):
        if len(re.findall(rb"(?mi)^%s:" % name, content.partition(b"\r\n\r\n")[0])) != 1:
            return "554 5.6.0 Header fields missing or repeated"
    return None
