"""How the clients of both authorisation servers reach them: over verified TLS, in threads of their own, in time.

Both client libraries block. Their calls run in a few threads of their own, so that neither the event loop nor the
name look-ups of others wait for a slow provider; each call has a deadline that every request of it keeps, whatever the
server does. Each provider has threads of its own.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from config.oauth.wire_deadline import Deadline, WatchedPool

MOST_BYTES: Final = 1024 * 1024
CONNECT_SECONDS: Final = 5.0
READ_SECONDS: Final = 15.0
CALL_SECONDS: Final = 30.0
SLACK_SECONDS: Final = 2.0
"""How much longer than its deadline a call is waited for: what was received in time is not to be thrown away."""
THREADS: Final = 8
_LATE: Final = "token endpoint timeout"
_CLOSED: Final = "the token client is closed"
MOST_WAITING: Final = 512

T = TypeVar("T")


class NoAnswer(Exception):
    """The server was not reached, or its answer did not come in time; the text is ours."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of any status; ``headers`` are in lower case. Its repr shows the status only."""

    status: int
    headers: Mapping[str, str]
    text: str

    def __repr__(self) -> str:
        return f"Reply({self.status})"


class _Adapter(HTTPAdapter):
    """One request's connection, with our TLS context and with no other authorities than its."""

    def __init__(self, tls: ssl.SSLContext, deadline: Deadline) -> None:
        self._tls = tls
        self._deadline = deadline
        self._pools: list[WatchedPool] = []
        super().__init__(max_retries=0)

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> WatchedPool:
        """Where the connection goes and how it is secured; what the session says about certificates does not count."""
        to = urlsplit(str(request.url))
        if not to.hostname:
            raise requests.exceptions.InvalidURL("an address without a host")
        pool = WatchedPool(to.hostname, to.port, maxsize=1, ssl_context=self._tls)
        pool.deadline = self._deadline
        self._pools.append(pool)
        return pool

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leaves the verification to the context; the inherited method would add certifi's authorities."""
        conn.cert_reqs = "CERT_REQUIRED"

    def close(self) -> None:
        """Closes what is left of the connection."""
        for pool in self._pools:
            pool.close()
        super().close()


class Wire:
    """Sends single requests over HTTPS: no redirects, no cookies, nothing from the environment, never a second try.

    Safe to use from several threads.
    """

    def __init__(
        self,
        tls: ssl.SSLContext,
        *,
        connect: float = CONNECT_SECONDS,
        read: float = READ_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if tls.verify_mode is not ssl.CERT_REQUIRED or not tls.check_hostname:
            raise ValueError("token services are reached over verified TLS only")
        self._tls = tls
        self._times = (connect, read)
        self._clock = clock

    def send(
        self,
        method: str,
        url: str,
        *,
        deadline: float,
        params: Mapping[str, str] | None = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request; ``deadline`` is by the clock.

        Raises:
            NoAnswer: there was none, or none in time.
        """
        left = deadline - self._clock()
        if left <= 0:
            raise NoAnswer(_LATE)
        connect, read = self._times
        until = Deadline(left)
        try:
            with (
                until,
                self._session(until) as session,
                session.request(
                    method,
                    url,
                    params=params,
                    data=data,
                    headers=headers,
                    timeout=(min(connect, left), min(read, left)),
                    allow_redirects=False,
                    stream=True,
                ) as answer,
            ):
                body = self._body(answer, until)
                found = {name.lower(): value for name, value in answer.headers.items()}
                return Reply(answer.status_code, found, body.decode("utf-8", "replace"))
        except requests.Timeout as error:
            raise NoAnswer(_LATE) from error
        except requests.exceptions.SSLError as error:
            raise NoAnswer(_LATE if until.passed else "token endpoint tls") from error
        except (requests.RequestException, OSError, ValueError) as error:
            raise NoAnswer(_LATE if until.passed else "token endpoint unreachable") from error

    def _session(self, until: Deadline) -> requests.Session:
        # One for each request. Calls are rare: a connection that was kept, and urllib3 keeps it whatever was said about
        # it, would often be one that the server or a firewall has ended by then.
        session = requests.Session()
        session.trust_env = False
        session.headers.update({"Connection": "close", "User-Agent": "Mailroom"})
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        session.mount("https://", _Adapter(self._tls, until))
        session.mount("http://", _Nowhere())
        return session

    def _body(self, answer: requests.Response, until: Deadline) -> bytes:
        body = bytearray()
        for part in answer.iter_content(16_384):
            body += part
            if len(body) > MOST_BYTES:
                raise NoAnswer("token endpoint answer too long")
        if until.passed:  # one without a length seems to have come to its end when it was cut off
            raise NoAnswer(_LATE)
        return bytes(body)


class _Nowhere(HTTPAdapter):
    """Refuses whatever is not HTTPS."""

    def send(self, *_: Any, **__: Any) -> requests.Response:
        """Raises ``InvalidSchema``."""
        raise requests.exceptions.InvalidSchema("token services are reached over HTTPS only")


class Calls:
    """Runs blocking calls in a few named threads of its own, each with a deadline.

    No more than ``waiting`` calls stand in line; one that does not find a thread before its deadline is not begun.
    """

    def __init__(
        self,
        name: str,
        *,
        threads: int = THREADS,
        waiting: int = MOST_WAITING,
        seconds: float = CALL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._seconds = seconds
        self._most = waiting
        self._under_way = 0
        self._clock = clock

    async def run(self, call: Callable[[float], T]) -> T:
        """The result of ``call``, which is given its deadline by the clock, and keeps it.

        Raises:
            NoAnswer: too many wait already, or the call did not end in time.
        """
        if self._under_way >= self._most:
            raise NoAnswer("too many calls wait for the token endpoint")
        deadline = self._clock() + self._seconds
        try:
            future: Future[T] = self._threads.submit(self._begin, call, deadline)
        except RuntimeError as error:
            raise NoAnswer(_CLOSED) from error
        self._under_way += 1
        try:
            async with asyncio.timeout(self._seconds + SLACK_SECONDS):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise NoAnswer(_LATE) from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and not task.cancelling():
                raise NoAnswer(_CLOSED) from None  # the call was taken out of the line, and nobody gave it up
            raise
        finally:
            self._under_way -= 1

    def _begin(self, call: Callable[[float], T], deadline: float) -> T:
        if self._clock() >= deadline:
            raise NoAnswer(_LATE)
        return call(deadline)

    def close(self) -> None:
        """Begins no more calls; those under way end by their deadlines. Idempotent."""
        self._threads.shutdown(wait=False, cancel_futures=True)
