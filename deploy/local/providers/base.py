"""What the stand-ins for Microsoft and Google have in common: a server over TLS in a thread of its own.

It counts calls, keeps the mails it takes, and does on demand what goes wrong at real providers: it throttles, fails,
is slow, or loses the answer after it has accepted a mail. Nothing is delivered anywhere.
"""

import asyncio
import secrets
import ssl
import tempfile
import threading
import time
from abc import abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from aiohttp import web

from deploy.local.lifetime import Server, reset
from deploy.local.ports import LOOPBACK, free_block
from deploy.local.providers.base_tls import HOST, certified
from deploy.local.providers.base_values import Account, Fault, Faults, Mail

MOST_BYTES = 64 * 1024 * 1024
"""Of a request's body: more than any provider takes, so that each can refuse in its own words."""
_TRIES = 20
_LOOK = 0.005

A = TypeVar("A", bound=Account)
Work = Callable[[], Awaitable[web.StreamResponse]]


class Cut(Exception):
    """The connection was reset on purpose."""


class ProviderSandbox(Server, Generic[A]):
    """A provider's servers; subclasses add routes whose handlers go through :meth:`answer`.

    ``names`` are the provider's host names, which the certificate has besides ``localhost``. ``clock`` may be replaced
    at any time. ``arrived`` is called in the server's thread for every mail taken.
    """

    def __init__(
        self,
        *,
        names: Sequence[str] = (),
        tls: ssl.SSLContext | None = None,
        ca_file: Path | None = None,
        clock: Callable[[], float] = time.time,
        arrived: Callable[[Mail], None] = lambda _: None,
    ) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        if tls is None or ca_file is None:
            self._folder = tempfile.TemporaryDirectory(prefix="mailroom-provider-")
            tls, ca_file = certified(Path(self._folder.name), names)
        self.tls, self.ca_file = tls, ca_file
        self.clock = clock
        self.arrived = arrived
        self.port = 0
        self.accounts: dict[str, A] = {}
        self.mails: list[Mail] = []
        self.calls: Counter[str] = Counter()
        self.redirect_uris: set[str] = set()
        self.control_key = secrets.token_urlsafe(24)
        self.faults = Faults()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where everything is, without a final slash."""
        return f"https://{HOST}:{self.port}"

    @property
    def control_url(self) -> str:
        """Where the control API is; whoever knows it may use it."""
        return f"{self.url}/control/{self.control_key}"

    @abstractmethod
    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """The provider's own."""

    @abstractmethod
    def refusal(self, endpoint: str, status: int, retry_after: int | str | None = None) -> web.Response:
        """How the provider words a refusal at this endpoint that a fault asks for."""

    @abstractmethod
    def revoke(self, address: str) -> None:
        """All grants of the account end."""

    @abstractmethod
    def expire_access(self, address: str) -> None:
        """All access tokens of the account have expired."""

    @abstractmethod
    def expire_secret(self) -> None:
        """The platform's client secret is no longer taken."""

    def actions(self) -> Mapping[str, Callable[[dict[str, Any]], object]]:
        """What this provider's control API offers besides the common, by name."""
        return {}

    def account(self, address: str) -> A:
        """The account with that primary address.

        Raises:
            LookupError: there is none.
        """
        found = self.accounts.get(address.lower())
        if found is None:
            raise LookupError(f"no account {address}; there are: {', '.join(self.accounts) or 'none'}")
        return found

    def disable(self, address: str) -> None:
        """The account may no longer sign in; its access tokens end too."""
        self.account(address).enabled = False
        self.expire_access(address)

    def enable(self, address: str) -> None:
        """Undoes :meth:`disable`, :meth:`unlicense` and whatever refuses its tokens; revoked grants stay revoked."""
        account = self.account(address)
        account.enabled = account.licensed = True
        account.refused = ""

    def unlicense(self, address: str) -> None:
        """The account has no mailbox any more."""
        self.account(address).licensed = False

    def fault(self, endpoint: str, fault: Fault, *, times: int | None = 1, account: str | None = None) -> None:
        """At this endpoint (a key of ``calls``, or its part before a colon), do that instead of behaving."""
        self.faults.add(endpoint, fault, times=times, account=account or "")

    def clear_faults(self) -> None:
        """The provider behaves again."""
        self.faults.clear()

    def keep(self, mail: Mail) -> None:
        """Takes a mail."""
        self.mails.append(mail)
        self.arrived(mail)

    async def answer(self, request: web.Request, endpoint: str, work: Work, *, account: str = "") -> web.StreamResponse:
        """Counts the call, then has ``work`` answer it, or does what a fault asks for. The body is read before."""
        self.calls[endpoint] += 1
        fault = self.faults.take(endpoint, account)
        if fault is None:
            await request.read()
            return await work()
        if fault.kind == "cut_upload":
            return _cut(request)
        await request.read()
        if fault.kind == "cut_before":
            return _cut(request)
        if fault.kind in ("status", "throttle"):
            return self._refusal(endpoint, fault)
        if fault.kind == "delay":
            await asyncio.sleep(fault.seconds)
        if fault.kind == "hold":
            await _wait(request, fault.release)
        response = await work()
        if fault.kind == "cut_after":
            return _cut(request)
        if fault.kind in ("hang_after", "hold_after"):
            await _wait(request, fault.release)
        return response

    def _refusal(self, endpoint: str, fault: Fault) -> web.Response:
        if fault.body is None:
            response = self.refusal(endpoint, fault.code, fault.retry_after)
        else:
            body = fault.body.encode() if isinstance(fault.body, str) else fault.body
            kind = "application/json" if body.lstrip()[:1] == b"{" else "text/plain"
            response = web.Response(status=fault.code, body=body, content_type=kind)
        response.headers.update(fault.headers)
        return response

    def start(self) -> Self:
        """Begins to listen."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="provider", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def close(self) -> None:
        """Ends it; may be called twice."""
        if self._loop is not None and self._thread is not None:
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
            self._loop.close()
            self._loop = self._thread = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    async def _listen(self) -> None:
        from deploy.local.providers.base_control import control_routes  # noqa: PLC0415 - it needs this class

        app = web.Application(client_max_size=MOST_BYTES)
        app.add_routes([*self.routes(), *control_routes(self)])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        for attempt in range(1, _TRIES + 1):
            port = free_block(1)
            try:
                await web.TCPSite(self._runner, LOOPBACK, port, ssl_context=self.tls).start()
            except OSError:
                if attempt == _TRIES:
                    raise
            else:
                self.port = port
                return

    async def _end(self) -> None:
        if self._runner is not None:
            # A TLS connection that is kept alive would wait for its client to say goodbye.
            for one in self._runner.server.connections if self._runner.server is not None else ():
                reset(one.transport)
            await self._runner.cleanup()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


def _cut(request: web.Request) -> web.Response:
    """Resets the connection; the answer returned reaches nobody."""
    reset(request.transport)
    return web.Response(status=500)


async def _wait(request: web.Request, release: threading.Event | None) -> None:
    """Until ``release`` is set (by another thread), or for good; in any case until the client has gone."""
    while request.transport is not None and not (release is not None and release.is_set()):  # noqa: ASYNC110
        await asyncio.sleep(_LOOK)
