"""One connection to a provider's SMTP server: aiosmtpd with XOAUTH2, and the refusals of either of them."""

import asyncio
import base64
import binascii
import re
from collections import defaultdict
from typing import TYPE_CHECKING

from aiosmtpd.smtp import MISSING, SMTP, AuthResult, Envelope, Session

from deploy.local.lifetime import reset
from deploy.local.providers.base_values import Account, Fault
from deploy.local.providers.smtp_oauth_accounts import Refusal

if TYPE_CHECKING:
    from deploy.local.providers.smtp_oauth import TokenServer

MAX_BYTES = 35 * 1024 * 1024
_XOAUTH2 = re.compile(rb"user=([^\x01]*)\x01auth=Bearer ([^\x01]*)\x01\x01")


class Conversation(SMTP):
    """Talks to one client. Nothing but EHLO, STARTTLS and QUIT before TLS, no mail before a sign-in."""

    # RFC 4954 §4 demands this much of AUTH lines.
    line_length_limit = 16384
    command_size_limit = 12288

    def __init__(self, server: "TokenServer") -> None:
        self.server = server
        self.account: Account | None = None
        implicit = server.accounts.implicit
        super().__init__(
            Hooks(server),
            hostname=server.accounts.host,
            ident="ESMTP sandbox",
            tls_context=None if implicit else server.tls,
            require_starttls=not implicit,
            auth_require_tls=not implicit,
            auth_exclude_mechanism=("LOGIN", "PLAIN"),
            data_size_limit=MAX_BYTES,
            enable_SMTPUTF8=True,
        )
        self.command_size_limits = defaultdict(lambda: self.command_size_limit)

    def connection_lost(self, error: Exception | None) -> None:
        """The mailbox has one connection less."""
        self.server.left(self)
        super().connection_lost(error)

    async def act(self, fault: Fault, *, taken: bool) -> str | None:
        """Does what a fault asks for, before or after a mail was ``taken``; the reply, if there is one to give."""
        match fault.kind:
            case "status" if not taken:
                body = fault.body.decode() if isinstance(fault.body, bytes) else fault.body
                return body or f"{fault.code} 4.3.0 Temporary server error"
            case "throttle" if not taken:
                return "450 4.2.1 The user you are trying to contact is receiving mail too quickly"
            case "delay" if not taken:
                await asyncio.sleep(fault.seconds)
            case "cut_before" | "cut_upload" if not taken:
                self._cut()
            case "cut_after" if taken:
                self._cut()
            case "hang_after" if taken:
                await asyncio.get_running_loop().create_future()
            case ("hold" | "hold_after") as kind if taken == (kind == "hold_after"):
                while fault.release is not None and not fault.release.is_set():  # noqa: ASYNC110 - another thread sets it
                    await asyncio.sleep(0.005)
            case _:
                pass
        return None

    def _cut(self) -> None:
        reset(self.transport)
        raise asyncio.CancelledError


class Hooks:
    """What aiosmtpd asks about sign-ins, senders, recipients and contents."""

    def __init__(self, server: "TokenServer") -> None:
        self._server = server
        self._rules = server.accounts

    async def auth_XOAUTH2(self, conversation: Conversation, words: list[str]) -> AuthResult:  # noqa: N802 - found by name
        """Signs in by an access token; a refusal comes as a challenge first, which the client answers with nothing."""
        given = words[1].encode() if len(words) > 1 else None
        if given is None:
            answer = await conversation.challenge_auth("")
            found = None if answer is MISSING or not isinstance(answer, bytes) else _XOAUTH2.fullmatch(answer)
        else:
            found = _XOAUTH2.fullmatch(_decoded(given))
        if found is None:
            return AuthResult(success=False, handled=False, message="501 5.5.4 Invalid SASL argument")
        user = found[1].decode("utf-8", "replace")
        reply = await self._server.fault_before(conversation, "smtp:auth", user)
        if reply is not None:
            return AuthResult(success=False, handled=False, message=reply)
        result = self._rules.sign_in(user, found[2].decode("ascii", "replace"))
        if isinstance(result, Refusal):
            if result.challenge:
                await conversation.challenge_auth(result.challenge)
            return AuthResult(success=False, handled=False, message=result.reply)
        conversation.account = result
        self._server.entered(conversation)
        return AuthResult(success=True, handled=False, message="235 2.7.0 Accepted")

    async def handle_MAIL(  # noqa: N802 - aiosmtpd finds it by this name
        self, conversation: Conversation, _: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Takes mail after a sign-in, from senders that the mailbox may use."""
        if conversation.account is None:
            return "530 5.7.57 Client not authenticated to send mail"
        reply = self._rules.refuses_sender(conversation.account, address)
        if reply is not None:
            return reply
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Sender OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd finds it by this name
        self, _: Conversation, __: Session, envelope: Envelope, address: str, ___: list[str]
    ) -> str:
        """Takes as many recipients as the provider does."""
        if len(envelope.rcpt_tos) >= self._rules.most_recipients:
            return "452 4.5.3 Your message has too many recipients"
        if not address.isascii() and not envelope.smtp_utf8:
            return "553 5.6.7 The address needs SMTPUTF8"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Recipient OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd finds it by this name
        self, conversation: Conversation, _: Session, envelope: Envelope
    ) -> str:
        """Takes a mail, or says why not."""
        return await self._server.data(conversation, envelope)


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""
