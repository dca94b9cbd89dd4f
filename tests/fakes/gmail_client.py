"""The client's side of the Gmail tests: a stand-in for Google, an account on it, and transports that send from it."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from deploy.local.providers.google import GoogleSandbox
from tests.fakes.smtpd_client import GRANT, Grant
from tests.fixtures_tls import TestCertificates
from transports.gmail.settings import GmailContext, GmailSettings
from transports.gmail.transport import GmailTransport
from transports.holds import Holds
from transports.http import Http

ADA = "ada@hooli.example"


class GmailBed:
    """A context manager, within a running event loop; ends every transport it has made."""

    def __init__(self, tls: TestCertificates, clock: Callable[[], float] = time.monotonic) -> None:
        self.box = GoogleSandbox(tls=tls.server.server_context(), ca_file=tls.ca_file)
        self.box.add_account(ADA, "Ada Lovelace", send_as=("sender@example.org",))
        self.box.quotas.per_minute = None
        self._clock = clock
        self._http = Http(tls.client_context())
        self._made: list[GmailTransport] = []

    async def __aenter__(self) -> Self:
        self.box.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the transports, the session and the server."""
        self.box.clear_faults()
        for made in self._made:
            await made.aclose()
        await self._http.aclose()
        self.box.close()

    def tokens(self, *expired: str) -> Grant:
        """A token source whose last token is good, after ``expired`` ones."""
        return Grant(*expired, self.box.token(ADA))

    def transport(
        self, tokens: Grant | None = None, *, url: str = "", holds: Holds | None = None, **settings: Any
    ) -> GmailTransport:
        """A transport for the account; by default with a good token, and with nothing held."""
        context = GmailContext(
            self._http,
            tokens or self.tokens(),
            url or self.box.url,
            clock=self._clock,
            holds=Holds() if holds is None else holds,
        )
        made = GmailTransport(GmailSettings(GRANT, ADA, **settings), context=context)
        self._made.append(made)
        return made

    @property
    def sends(self) -> int:
        """How often the API was asked to send."""
        return self.box.calls["send"]
