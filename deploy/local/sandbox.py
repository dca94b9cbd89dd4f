"""A mail catcher for trying things out: real SMTP servers on loopback that take mail and deliver nothing.

Each server asks for TLS (STARTTLS or from the first byte) and a sign-in, takes only the sender addresses that belong
to its account, and is as strict about the protocol as a provider. What a server takes is kept in memory and, with the
trace fields a real server adds, as files that any mail program opens. What one connection is told is in
:mod:`deploy.local.sandbox_session`.
"""

import asyncio
import logging
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import trustme

from deploy.local.ports import LOOPBACK, free_block
from deploy.local.sandbox_mail import Account, Envelope, Refused, Rule, Stage, Taken
from deploy.local.sandbox_session import Conversation

HOST = "localhost"
_TRIES = 20


class MailServer:
    """One server: its account, where it listens, and the rules it follows."""

    def __init__(self, account: Account, context: ssl.SSLContext, rules: Sequence[Rule], keeper: "Sandbox") -> None:
        self.account = account
        self.context = context
        self.port = 0
        self._rules = tuple(rules)
        self._used: Counter[Rule] = Counter()
        self._keeper = keeper
        self._listening: asyncio.Server | None = None

    @property
    def implicit(self) -> bool:
        """Whether connections begin with the TLS handshake."""
        return self.account.security == "tls"

    async def listen(self) -> None:
        """Listens at a free port below the range of outgoing connections."""
        loop = asyncio.get_running_loop()
        for attempt in range(1, _TRIES + 1):
            port = free_block(1)
            try:
                self._listening = await loop.create_server(
                    lambda: Conversation(self), LOOPBACK, port, ssl=self.context if self.implicit else None
                )
            except OSError:
                if attempt == _TRIES:
                    raise
            else:
                self.port = port
                return

    def close(self) -> None:
        """Takes no further connections."""
        if self._listening is not None:
            self._listening.close()

    def reply_to(self, at: Stage, recipients: Sequence[str]) -> str | None:
        """The reply of the first rule that fits and is not used up; ``None`` is yes."""
        for rule in self._rules:
            if rule.at == at and rule.recipient in recipients and not 0 < rule.times <= self._used[rule]:
                self._used[rule] += 1
                return rule.reply
        return None

    def refuse(self, recipients: Sequence[str], reply: str, content: bytes = b"") -> None:
        """Writes down what was not taken."""
        self._keeper.refused.append(Refused(self.account.server, tuple(recipients), reply, content))

    def take(self, envelope: Envelope) -> None:
        """Takes a mail: into memory and into a file."""
        self._keeper.keep(self.account.server, envelope)


class Sandbox:
    """All servers, in one thread of this process; a context manager.

    ``folder`` gets the authority's certificate (``ca.pem``) and the mails. ``arrived`` is called in the servers'
    thread for every mail taken.
    """

    def __init__(
        self,
        folder: Path,
        accounts: Sequence[Account],
        rules: Sequence[Rule] = (),
        arrived: Callable[[Taken], None] = lambda _: None,
    ) -> None:
        self.mails = folder / "mails"
        self.ca_file = folder / "ca.pem"
        self.taken: list[Taken] = []
        self.refused: list[Refused] = []
        self._arrived = arrived
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self.mails.mkdir(parents=True)
        self._lock = threading.Lock()
        self._authority = trustme.CA(organization_name="Mailroom sandbox")
        self._authority.cert_pem.write_to_path(str(self.ca_file))
        self.servers = {
            account.server: MailServer(account, self.certified(account.server), rules, self) for account in accounts
        }

    def __enter__(self) -> Self:
        # aiosmtpd warns about sign-in without STARTTLS, which is what TLS from the first byte looks like to it.
        logging.getLogger("mail.log").setLevel(logging.CRITICAL)
        self._thread = threading.Thread(target=self._loop.run_forever, name="sandbox", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._thread = None

    async def _listen(self) -> None:
        for server in self.servers.values():
            await server.listen()

    async def _end(self) -> None:
        for server in self.servers.values():
            server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def keep(self, server: str, envelope: Envelope, *, traced: bool = True) -> None:
        """Writes a mail down as its server would and tells whoever listens; safe to call from other threads.

        ``traced`` adds the fields of a server that took it by SMTP.
        """
        with self._lock:
            file = self.mails / f"{len(self.taken) + 1:03d}-{server}.eml"
            file.write_bytes((_trace(server, envelope) if traced else b"") + envelope.content)
            taken = Taken(server, envelope, file)
            self.taken.append(taken)
        self._arrived(taken)

    def certified(self, *names: str) -> ssl.SSLContext:
        """A server's context with a certificate of its own for these names, as every provider has."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._authority.issue_cert(HOST, LOOPBACK, *names).configure_cert(context)
        return context


def _trace(server: str, envelope: Envelope) -> bytes:
    """The fields a server puts in front (RFC 5321 §4.4), by which a reader sees the way a mail came."""
    received = (
        f"Received: from {envelope.greeting} ({LOOPBACK})\r\n"
        f"\tby {server} with ESMTPSA ({envelope.tls} {envelope.cipher})\r\n"
        f"\t(signed in as {envelope.user} by {envelope.mechanism});\r\n"
        f"\t{format_datetime(datetime.now(UTC))}\r\n"
    )
    return f"Return-Path: <{envelope.sender}>\r\n{received}".encode()
