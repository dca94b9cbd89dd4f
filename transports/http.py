"""The one HTTP session that all API transports of a process share.

It repeats no request of which a server may have seen an octet, follows no redirect, keeps no cookies and reads no proxy
from the environment.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import aiohttp

from transports.errors import Code, OutcomeUnknown, Unreachable
from transports.http_body import Body
from transports.http_failures import TRANSLATED, cut_off, translate

PER_HOST = 300
"""Connections to one host."""
_KEEP_ALIVE = 15.0  # seconds; shorter than any provider keeps an idle connection, so that it is we who close it
_DNS_TTL = 30  # seconds


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered. ``headers`` are found by any spelling of their names.

    ``body`` is cut at the request's ``max_reply``, or where the connection broke or the deadline came: the status was
    known by then, and it is final.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


class Http:
    """A pool of connections over verified TLS, opened at the first use, on the loop that runs then.

    ``tls`` must verify certificates and host names (``ValueError`` otherwise). At most ``connections`` are in use at
    once, ``per_host`` of them to one host, or as ``hosts`` has it by name and port as they stand in the URL;
    ``connect_timeout`` seconds bound connecting and the handshake.
    """

    def __init__(
        self,
        tls: ssl.SSLContext | None = None,
        *,
        connections: int = 400,
        per_host: int = PER_HOST,
        hosts: Mapping[str, int] | None = None,
        connect_timeout: float = 15.0,
        user_agent: str = "Mailroom",
    ) -> None:
        self.tls = ssl.create_default_context() if tls is None else tls
        if self.tls.verify_mode is not ssl.CERT_REQUIRED or not self.tls.check_hostname:
            raise ValueError("the TLS context must verify certificates and host names")
        self.connect_timeout = connect_timeout
        self._user_agent = user_agent
        self._per_host = per_host
        self._hosts = dict(hosts or {})
        self._slots = asyncio.Semaphore(connections)
        self._host_slots: dict[str, asyncio.Semaphore] = {}
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def request(
        self,
        method: str,
        url: str,
        *,
        deadline: float,
        headers: Mapping[str, str],
        body: bytes = b"",
        final: bool = True,
        name: str = "",
        max_reply: int = 65_536,
    ) -> Reply:
        """One request, sent at most once, and its reply whatever the status; both within ``deadline`` (loop time).

        When the server has closed the kept connection that it was for, and so has got nothing, another one is taken.

        ``final`` says that acting upon the request hands a mail over. ``name`` is the transport's, for errors.
        When it fails or is cancelled its connection is closed, not reused.

        Raises:
            OutcomeUnknown: the last octet of a ``final`` request was given to the socket, and no reply came; or a
                success came before that.
            Unreachable: it did not get that far, or the request is not ``final``.
            DeliveryError: otherwise, by the table in ``http_failures``.
        """
        content_type = headers.get("Content-Type", "application/octet-stream")
        async with self._slot(url, deadline, name):
            payload = Body(body, content_type)
            try:
                async with asyncio.timeout_at(deadline):
                    try:
                        response = await self._ask(method, url, payload, headers)
                    except TRANSLATED:
                        if not payload.stale:
                            raise
                        payload = Body(body, content_type)
                        response = await self._ask(method, url, payload, headers)
            except TRANSLATED as error:
                if payload.begun and not (payload.handed_over and final):
                    raise cut_off(error, name) from error
                raise translate(error, handed_over=payload.handed_over, name=name) from error
            try:
                content = await _read(response, deadline, max_reply)
            except BaseException:
                response.close()
                raise
            if not payload.handed_over:
                response.close()  # answered early: the rest of the request would be taken for the next one
                if final and 200 <= response.status <= 299:
                    raise OutcomeUnknown(Code.OUTCOME_UNKNOWN, "early reply", transport=name)
            return Reply(response.status, response.headers, content)

    async def aclose(self) -> None:
        """Closes every connection; later requests are ``Unreachable``. Idempotent."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def _ask(self, method: str, url: str, payload: Body, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        return await self._open().request(method, url, data=payload, headers=headers, allow_redirects=False)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                ssl=self.tls, limit=0, keepalive_timeout=_KEEP_ALIVE, ttl_dns_cache=_DNS_TTL
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": self._user_agent, "Accept-Encoding": "identity"},
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self.connect_timeout),
                trust_env=False,
            )
            # It has no public switch: on a kept connection that broke, PUT and DELETE would be sent a second time.
            self._session._retry_connection = False
        return self._session

    @asynccontextmanager
    async def _slot(self, url: str, deadline: float, name: str) -> AsyncIterator[None]:
        if self._closed:
            raise Unreachable(Code.NO_CONNECTION_FREE, "closed", transport=name)
        host = url.split("/", 3)[2] if url.count("/") > 1 else url
        mine = self._host_slots.get(host)
        if mine is None:
            mine = self._host_slots[host] = asyncio.Semaphore(self._hosts.get(host, self._per_host))
        await _in_time(mine, deadline, name)
        try:
            await _in_time(self._slots, deadline, name)
            try:
                yield
            finally:
                self._slots.release()
        finally:
            mine.release()


async def _in_time(slots: asyncio.Semaphore, deadline: float, name: str) -> None:
    if not slots.locked():
        await slots.acquire()
        return
    try:
        async with asyncio.timeout_at(deadline):
            await slots.acquire()
    except TimeoutError as error:
        raise Unreachable(Code.NO_CONNECTION_FREE, transport=name) from error


async def _read(response: aiohttp.ClientResponse, deadline: float, limit: int) -> bytes:
    """At most ``limit`` octets; what is cut short costs the connection, but the reply's status stands."""
    content = response.content
    if content.at_eof():
        return b""
    chunks: list[bytes] = []
    size = 0
    with suppress(*TRANSLATED):
        async with asyncio.timeout_at(deadline):
            while size < limit and (chunk := await content.readany()):
                chunks.append(chunk)
                size += len(chunk)
    if not content.at_eof():
        response.close()
    return b"".join(chunks)[:limit]
