"""A real SMTP server for tests and the demo: aiosmtpd in a thread of its own, strict, scriptable, and telling all.

Other programs may connect to it too. It never delivers anything.
"""

import asyncio
import contextlib
import re
import ssl
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from aiosmtpd.smtp import Envelope, Session

from tests.fakes.smtpd_script import Hold, Script, Wire
from tests.fakes.smtpd_session import FakeSession, Handler

__all__ = ["FakeSmtpd", "Hold", "Received", "Script", "Wire"]


@dataclass(frozen=True, slots=True)
class Received:
    """A mail the server took: envelope, the bytes without dot-stuffing, and the parameters of MAIL."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    options: tuple[str, ...]
    signed_in: bool
    secure: bool


class FakeSmtpd:
    """A server on 127.0.0.1; a context manager. ``port`` is chosen by the system unless given.

    ``tls`` is the server's context; with ``implicit_tls`` the connection begins with the handshake, else STARTTLS is
    offered. ``credentials`` are pairs of user and password or access token. ``hidden`` are EHLO keywords left out.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
        credentials: Iterable[tuple[str, str]] = (),
        mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN"),
        require_auth: bool | None = None,
        auth_without_tls: bool = False,
        size: int = 33_554_432,
        smtputf8: bool = True,
        hidden: tuple[str, ...] = (),
        max_recipients: int | None = None,
        max_connections: int | None = None,
        greylisting: bool = False,
        port: int = 0,
    ) -> None:
        self.tls, self.implicit_tls = tls, implicit_tls
        self.credentials = set(credentials)
        self.mechanisms = mechanisms if self.credentials else ()
        self.require_auth = bool(self.credentials) if require_auth is None else require_auth
        self.auth_without_tls = auth_without_tls
        self.size, self.smtputf8, self.hidden = size, smtputf8, hidden
        self.max_recipients, self.max_connections, self.greylisting = max_recipients, max_connections, greylisting
        self.port = port
        self.script = Script()
        self.handler = Handler(self)
        self.mails: list[Received] = []
        self.commands: list[str] = []
        self.names: list[str] = []
        self.auth_attempts: list[str] = []
        self.signed_in: list[str] = []
        self.violations: list[str] = []
        self.seen: set[tuple[str, str]] = set()
        self.connections = 0
        self.open_connections = 0
        self.most_connections = 0
        self._sessions: set[FakeSession] = set()
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._server: asyncio.Server | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listens when it returns."""
        self._thread = threading.Thread(target=self._loop.run_forever, name="fake-smtpd", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def stop(self) -> None:
        """Closes all connections and the port. Idempotent."""
        if self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._thread = None

    def drop_connections(self) -> None:
        """Resets every open connection, as a restart of the server does."""
        asyncio.run_coroutine_threadsafe(self._drop(), self._loop).result(10)

    async def _listen(self) -> None:
        implicit = self.tls if self.implicit_tls else None
        self._server = await self._loop.create_server(self._session, "127.0.0.1", self.port, ssl=implicit)
        self.port = self._server.sockets[0].getsockname()[1]

    def _session(self) -> FakeSession:
        return FakeSession(
            self,
            hostname="fake.example",
            ident="ESMTP",
            tls_context=None if self.implicit_tls else self.tls,
            data_size_limit=self.size,
            enable_SMTPUTF8=self.smtputf8,
            auth_require_tls=not (self.implicit_tls or self.auth_without_tls),
            loop=self._loop,
        )

    async def _drop(self) -> None:
        for session in list(self._sessions):
            # Before CPython 3.11.4 a TLS transport that is already gone cannot be aborted once more.
            with contextlib.suppress(AttributeError):
                session.transport.abort()  # type: ignore[union-attr] # aiosmtpd types it as an optional BaseTransport

    async def _end(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._drop()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def entered(self, session: FakeSession) -> None:
        """A connection was made."""
        self._sessions.add(session)
        self.connections += 1
        self.open_connections += 1
        self.most_connections = max(self.most_connections, self.open_connections)

    def left(self, session: FakeSession) -> None:
        """A connection is gone."""
        self._sessions.discard(session)
        self.open_connections -= 1

    def problem(self, content: bytes, envelope: Envelope) -> str | None:
        """The refusal of a message that breaks RFC 5321/5322; also kept in ``violations``."""
        if re.search(rb"[^\r]\n|\r[^\n]|^\n", content):
            return self._violation("bare line end")
        if max(map(len, content.split(b"\r\n"))) > 998:
            return self._violation("line over 998 octets")
        if not content.isascii() and "BODY=8BITMIME" not in envelope.mail_options:
            return self._violation("8-bit content without BODY=8BITMIME")
        return None

    def _violation(self, what: str) -> str:
        self.violations.append(what)
        return f"554 5.6.0 {what}"

    def take(self, envelope: Envelope, session: Session, content: bytes) -> None:
        """Takes a mail."""
        secure = self.implicit_tls or session.ssl is not None
        options = tuple(str(option) for option in envelope.mail_options)
        recipients = tuple(str(address) for address in envelope.rcpt_tos)
        received = Received(str(envelope.mail_from), recipients, content, options, bool(session.authenticated), secure)
        self.mails.append(received)
