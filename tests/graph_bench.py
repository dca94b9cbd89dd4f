"""A Microsoft 365 transport at the sandbox, as the tests of this transport need it."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from deploy.local.providers.microsoft import MicrosoftSandbox
from tests.fakes.smtpd_client import GRANT, Clock, Grant
from tests.fixtures_tls import TestCertificates
from transports.holds import Holds
from transports.http import Http
from transports.microsoft365.settings import GraphContext, Microsoft365Settings
from transports.microsoft365.transport import Microsoft365Transport
from transports.protocol import Tokens

MAILBOX = "sender@example.org"
"""What the builder of test mails takes for the sender, so that mails go as MIME."""
ALIAS = "alias@example.org"
READ_WRITE = ("https://graph.microsoft.com/Mail.Send", "https://graph.microsoft.com/Mail.ReadWrite")


@dataclass(slots=True)
class Bench:
    """The sandbox, the session and the clock that transports are made with."""

    box: MicrosoftSandbox
    http: Http
    clock: Clock
    holds: Holds = field(default_factory=Holds)

    def transport(self, tokens: Tokens | None = None, **changes: Any) -> Microsoft365Transport:
        """By default with a token that may send and write; ``changes`` go to the settings."""
        source = tokens or Grant(self.token())
        settings = replace(Microsoft365Settings(GRANT, MAILBOX), **changes)
        context = GraphContext(self.http, source, self.box.url, self.clock, self.box.clock, holds=self.holds)
        return Microsoft365Transport(settings, context=context)

    def token(self) -> str:
        """One that may send and write drafts."""
        return self.box.token(MAILBOX, scopes=READ_WRITE)


@asynccontextmanager
async def graph(tls: TestCertificates, trust: ssl.SSLContext | None = None) -> AsyncIterator[Bench]:
    """A sandbox with one mailbox that has an alias."""
    box = MicrosoftSandbox(tls=tls.server.server_context(), ca_file=tls.ca_file)
    http = Http(trust or tls.client_context(), connect_timeout=5.0)
    with box:
        box.add_account(MAILBOX, "Sender", aliases=(ALIAS,))
        box.graph.send_from_alias_enabled = True
        try:
            yield Bench(box, http, Clock())
        finally:
            await http.aclose()
