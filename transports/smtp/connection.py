"""One connection: its phase, its deadline-bound commands, and whether it may be used again.

Every failure of a step closes the connection, because a reply that was given up on would be taken for the next
command's. ``aiosmtplib.SMTP`` is not used: its ``connect``, ``login`` and ``sendmail`` hide the phases, try several
mechanisms after each refusal and mask errors; its protocol, ESMTP parser and encoders are.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable
from contextlib import suppress
from typing import TypeVar, cast

from aiosmtplib.errors import SMTPException, SMTPResponseException
from aiosmtplib.esmtp import parse_esmtp_extensions
from aiosmtplib.response import SMTPResponse

from transports.certificate import tls_facts
from transports.errors import AccountProblem, Code
from transports.protocol import Facts
from transports.smtp.dial import verified_name
from transports.smtp.failures import NAME, TRANSLATED, translate
from transports.smtp.phases import Phase, Progress
from transports.smtp.replies import Reply, classify
from transports.smtp.settings import Security, SmtpContext, SmtpSettings
from transports.smtp.wire import Wire

T = TypeVar("T")
# Replies to EHLO of a server that only knows HELO (RFC 5321 §3.2).
_NO_EHLO = frozenset({500, 501, 502, 504})
# The server closes its side after it (RFC 5321 §4.2.3).
_CLOSING = 421


class Connection:
    """A connection to one server, made by ``opening``; used by one mail at a time.

    ``clean`` says that no transaction is open on it; a connection that is not clean is never kept. ``mails`` counts
    the transactions tried, ``opened`` and ``used`` are readings of the context's clock.
    """

    def __init__(self, context: SmtpContext, progress: Progress | None = None) -> None:
        self.extensions: dict[str, str] = {}
        self.mechanisms: frozenset[str] = frozenset()
        self.phase = Phase.CONNECT
        self.clean = True
        self.mails = 0
        self.opened = self.used = context.clock()
        self._context = context
        self._progress = progress
        self._wire = Wire(asyncio.get_running_loop())

    @property
    def usable(self) -> bool:
        """Connected, in step and without an open transaction."""
        return self.clean and self._wire.in_step

    @property
    def alive(self) -> bool:
        """Connected, as far as anyone can know."""
        return self._wire.is_connected

    async def start(self, sock: socket.socket, settings: SmtpSettings, deadline: float) -> None:
        """Takes over a connected socket: TLS as the settings demand, greeting, EHLO."""
        loop = asyncio.get_running_loop()
        tls = settings.security is Security.TLS
        until = min(deadline, loop.time() + self._context.connect_timeout)
        making = loop.create_connection(
            lambda: self._wire,
            sock=sock,
            ssl=self._context.ssl_context if tls else None,
            server_hostname=verified_name(settings.host) if tls else None,
            ssl_handshake_timeout=max(0.001, until - loop.time()) if tls else None,
        )
        await self._step(Phase.TLS if tls else Phase.CONNECT, making, until)
        if tls:
            self._learn_tls()
        greeting = await self._reply(Phase.GREETING, self._wire.read_response(), deadline)
        if not greeting.accepted:
            raise classify(Phase.GREETING, greeting)
        await self._hello(deadline)
        if settings.security is Security.STARTTLS:
            await self._upgrade(settings, deadline)

    async def _hello(self, deadline: float) -> None:
        name = self._context.local_hostname.encode("ascii")
        reply = await self.command(Phase.EHLO, b"EHLO", name, deadline=deadline)
        if reply.code in _NO_EHLO:
            reply = await self.command(Phase.EHLO, b"HELO", name, deadline=deadline)
            self.extensions, self.mechanisms = {}, frozenset()
        else:
            self.extensions, mechanisms = parse_esmtp_extensions(reply.text)
            self.mechanisms = frozenset(mechanisms)
        if not reply.accepted:
            raise classify(Phase.EHLO, reply)

    async def _upgrade(self, settings: SmtpSettings, deadline: float) -> None:
        # Never on without TLS: whoever can strip STARTTLS from the reply could otherwise read the password.
        self._enter(Phase.STARTTLS)
        if "starttls" not in self.extensions:
            raise AccountProblem(Code.TLS_NOT_OFFERED, transport=NAME)
        until = self._until(deadline)
        upgrading = self._wire.start_tls(
            self._context.ssl_context,
            server_hostname=verified_name(settings.host),
            timeout=max(0.001, until - asyncio.get_running_loop().time()),
        )
        await self._step(Phase.TLS, upgrading, until)
        self._learn_tls()
        self.extensions, self.mechanisms = {}, frozenset()
        await self._hello(deadline)

    def learn(self, phase: Phase, facts: Facts) -> None:
        """Tells whoever follows this connection what is worth showing of ``phase``."""
        if self._progress is not None:
            self._progress.learnt(phase, facts)

    def _learn_tls(self) -> None:
        if self._progress is not None and self._wire.transport is not None:
            secured: ssl.SSLObject = self._wire.transport.get_extra_info("ssl_object")
            self.learn(Phase.TLS, tls_facts(secured.getpeercert() or {}, secured.version() or ""))

    async def command(self, phase: Phase, *words: bytes, deadline: float) -> Reply:
        """Sends one command and gives its reply, whatever it says; bounded by the command timeout and ``deadline``."""
        self._wire.handed_over = False
        return await self._reply(phase, self._wire.execute_command(*words), deadline)

    async def upload(self, content: bytes, deadline: float) -> Reply:
        """Sends a dot-stuffed message and gives the final reply, bounded by ``deadline`` alone (RFC 5321 §4.5.3.2.6).

        A reply that came before the end of the message is raised as what it means for ``Phase.DATA``.
        """
        response = await self._step(Phase.DATA, self._wire.upload(content), deadline)
        if not self._wire.handed_over:
            self.abort()
            raise classify(Phase.DATA, Reply(response.code, response.message))
        self._enter(Phase.BODY)
        return self._checked(Phase.BODY, response)

    async def reset(self, deadline: float) -> None:
        """Ends an open transaction; where that fails the connection is closed, and nothing is raised for it."""
        until = min(deadline, asyncio.get_running_loop().time() + self._context.reset_timeout)
        try:
            async with asyncio.timeout_at(until):
                response = await self._wire.execute_command(b"RSET")
        except TRANSLATED:
            self.abort()
            return
        except BaseException:
            self.abort()
            raise
        self.clean = response.code == 250
        if not self.clean:
            self.abort()

    async def quit(self) -> None:
        """Says goodbye within the quit timeout and closes; never raises but for cancellation."""
        try:
            with suppress(SMTPException, OSError, ValueError):
                async with asyncio.timeout(self._context.quit_timeout):
                    if self._wire.in_step:
                        await self._wire.execute_command(b"QUIT")
                    if self._wire.transport is not None:
                        self._wire.transport.close()
                        await asyncio.shield(self._wire.lost)
        finally:
            self.abort()

    def abort(self) -> None:
        """Closes at once, without waiting for anything. Idempotent."""
        self.clean = False
        if self._wire.transport is not None:
            # CPython before 3.11.4: asyncio's TLS transport forgets its protocol when it is closed twice, which an EOF
            # from the server does to one that we are closing; there is nothing left to abort then.
            with contextlib.suppress(AttributeError):
                cast(asyncio.WriteTransport, self._wire.transport).abort()

    def _until(self, deadline: float) -> float:
        return min(deadline, asyncio.get_running_loop().time() + self._context.command_timeout)

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        if self._progress is not None:
            self._progress.entered(phase)

    async def _reply(self, phase: Phase, exchange: Awaitable[SMTPResponse], deadline: float) -> Reply:
        return self._checked(phase, await self._step(phase, exchange, self._until(deadline)))

    def _checked(self, phase: Phase, response: SMTPResponse) -> Reply:
        if not 200 <= response.code <= 599:
            self.abort()
            raise translate(SMTPResponseException(*response), phase, self._wire.heard)
        if response.code == _CLOSING:
            self.abort()
        return Reply(response.code, response.message)

    async def _step(self, phase: Phase, exchange: Awaitable[T], until: float) -> T:
        self._enter(phase)
        try:
            async with asyncio.timeout_at(until):
                return await exchange
        except TRANSLATED as error:
            self.abort()
            uploaded = phase is Phase.DATA and self._wire.handed_over
            raise translate(error, Phase.BODY if uploaded else phase, self._wire.heard) from error
        except BaseException:
            self.abort()
            raise
