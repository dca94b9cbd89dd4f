"""The SMTP servers of both providers: XOAUTH2 with the tokens that their sandboxes give, and nothing but that.

A mail that is taken is kept by the provider's sandbox, with the form ``smtp``. Faults are those of the sandbox: at
``smtp:auth``, and at ``smtp:data`` after the final dot; ``Fault.status(0, "451 4.3.0 Later")`` has the reply as body.
"""

import asyncio
import logging
import re
import threading
from collections import defaultdict, deque
from typing import Final, Self

from aiosmtpd.smtp import Envelope

from deploy.local.lifetime import Server, reset
from deploy.local.ports import LOOPBACK, free_block
from deploy.local.providers.base_tls import HOST
from deploy.local.providers.base_values import Account, Mail
from deploy.local.providers.gmail_errors import ApiError
from deploy.local.providers.gmail_mail import with_sender
from deploy.local.providers.google import GoogleSandbox
from deploy.local.providers.microsoft import MicrosoftSandbox
from deploy.local.providers.smtp_oauth_accounts import Accounts, ExchangeOnline, Gmail
from deploy.local.providers.smtp_oauth_session import Conversation

_TRIES: Final = 20
_MINUTE: Final = 60.0
_THREADS: Final = (
    "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded [Hostname=sandbox.prod.outlook.com] Concurrent "
    "connections limit exceeded. Visit https://aka.ms/concurrent_sending for more information."
)


class TokenServer:
    """One provider's server. ``accounts`` has its rules and may be changed while it runs."""

    def __init__(self, accounts: Accounts) -> None:
        self.accounts = accounts
        self.tls = accounts.box.tls
        self.port = 0
        self._open: defaultdict[str, set[Conversation]] = defaultdict(set)
        self._all: set[Conversation] = set()
        self._sent: defaultdict[str, deque[float]] = defaultdict(deque)
        self._listening: asyncio.Server | None = None

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{HOST}:{self.port}"

    async def listen(self) -> None:
        """Listens at a free port."""
        loop = asyncio.get_running_loop()
        context = self.tls if self.accounts.implicit else None
        for attempt in range(1, _TRIES + 1):
            port = free_block(1)
            try:
                self._listening = await loop.create_server(self._conversation, LOOPBACK, port, ssl=context)
            except OSError:
                if attempt == _TRIES:
                    raise
            else:
                self.port = port
                return

    def _conversation(self) -> Conversation:
        made = Conversation(self)
        self._all.add(made)
        return made

    def close(self) -> None:
        """Resets all connections and takes no further ones."""
        if self._listening is not None:
            self._listening.close()
        for one in self._all:
            reset(one.transport)
        self._all.clear()

    def entered(self, one: Conversation) -> None:
        """A connection has signed in."""
        if one.account is not None:
            self._open[one.account.address].add(one)

    def left(self, one: Conversation) -> None:
        """A connection is gone."""
        if one.account is not None:
            self._open[one.account.address].discard(one)
        self._all.discard(one)

    async def fault_before(self, one: Conversation, endpoint: str, account: str) -> str | None:
        """Counts the call; the reply that a fault asks for instead of going on."""
        box = self.accounts.box
        box.calls[endpoint] += 1
        fault = box.faults.take(endpoint, account)
        return None if fault is None else await one.act(fault, taken=False)

    async def data(self, one: Conversation, envelope: Envelope) -> str:
        """The reply after the final dot."""
        account, box = one.account, self.accounts.box
        if account is None:
            return "530 5.7.57 Client not authenticated to send mail"
        box.calls["smtp:data"] += 1
        fault = box.faults.take("smtp:data", account.address)
        reply = None if fault is None else await one.act(fault, taken=False)
        reply = reply or await self._refusal(account) or self._taken(account, envelope)
        if reply.startswith("250") and fault is not None:
            await one.act(fault, taken=True)
        return reply

    async def _refusal(self, account: Account) -> str | None:
        rules = self.accounts
        if rules.connections is not None and len(self._open[account.address]) > rules.connections:
            return _THREADS
        await self._pace(account)
        return rules.refuses_mail(account)

    async def _pace(self, account: Account) -> None:
        """Waits until the mailbox has sent less than it may within the last minute."""
        limit, sent, loop = self.accounts.per_minute, self._sent[account.address], asyncio.get_running_loop()
        while limit is not None:
            while sent and sent[0] <= loop.time() - _MINUTE:
                sent.popleft()
            if len(sent) < limit:
                break
            await asyncio.sleep(sent[0] + _MINUTE - loop.time())
        sent.append(loop.time())

    def _taken(self, account: Account, envelope: Envelope) -> str:
        content = envelope.original_content or b""
        recipients = tuple(str(one) for one in envelope.rcpt_tos)
        if re.search(rb"[^\r]\n|\r[^\n]|^\n", content):
            return "554 5.6.0 Bare line end"
        try:
            sender, kept = with_sender(content, self.accounts.senders(account))
        except ApiError:
            return "550 5.7.1 Messages without one valid From header are not accepted"
        box = self.accounts.box
        box.keep(Mail(account.address, sender, recipients, kept, box.clock(), "smtp"))
        return "250 2.0.0 OK"


class SmtpOAuth(Server):
    """The servers of the boxes that are given; a context manager, to be closed before the boxes.

    ``microsoft.accounts`` and ``google.accounts`` have the limits.
    """

    def __init__(self, microsoft: MicrosoftSandbox | None = None, google: GoogleSandbox | None = None) -> None:
        self.exchange = None if microsoft is None else ExchangeOnline(microsoft)
        self.gmail = None if google is None else Gmail(google)
        self.microsoft = None if self.exchange is None else TokenServer(self.exchange)
        self.google = None if self.gmail is None else TokenServer(self.gmail)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def settings(self) -> dict[str, str]:
        """What Mailroom must be told, besides that it may use these ports and loopback."""
        named = {"MAILROOM_MICROSOFT_SMTP": self.microsoft, "MAILROOM_GMAIL_SMTP": self.google}
        return {name: server.address for name, server in named.items() if server is not None}

    def start(self) -> Self:
        """Begins to listen."""
        # aiosmtpd warns about sign-in without STARTTLS, which is what TLS from the first byte looks like to it.
        logging.getLogger("mail.log").setLevel(logging.CRITICAL)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="provider-smtp", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def close(self) -> None:
        """Ends them; may be called twice."""
        if self._loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._loop = self._thread = None

    async def _listen(self) -> None:
        for server in (self.microsoft, self.google):
            if server is not None:
                await server.listen()

    async def _end(self) -> None:
        for server in (self.microsoft, self.google):
            if server is not None:
                server.close()
        for _ in range(3):  # what was reset is told so, layer by layer
            await asyncio.sleep(0)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
