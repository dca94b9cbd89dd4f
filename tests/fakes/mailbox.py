"""A mailbox with limits that counts exactly: how many mails are under way at once, and how many came in any span.

It refuses nothing, so nobody can learn from it; it keeps every violation for the test to fail on.
"""

import asyncio
import random
import ssl
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.fakes.submission import Answer, Session


@dataclass(frozen=True, slots=True)
class Allowed:
    """``concurrency`` mails at once, ``mails`` in any ``seconds`` (sliding, by arrival and by beginning)."""

    concurrency: int
    mails: int
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Arrived:
    """A mail: when it began (MAIL), when it was all there, and when its answer was due; monotonic seconds."""

    recipients: tuple[str, ...]
    began: float
    at: float
    answered: float


Takes = Callable[[], float]
"""Seconds until the next mail is answered."""


@dataclass(slots=True)
class Counts:
    """What came to one mailbox. Reading is safe from any thread."""

    mails: list[Arrived] = field(default_factory=list)
    connections: list[float] = field(default_factory=list)
    open: int = 0
    most_open: int = 0
    under_way: int = 0
    most_under_way: int = 0
    began: list[float] = field(default_factory=list)
    crowded: list[float] = field(default_factory=list)
    """When a mail began although as many as are allowed were under way."""


class Mailbox:
    """One account's submission server on 127.0.0.1, with TLS from the first octet; a context manager.

    ``greeting`` may be changed while it runs: ``None`` resets every new connection.
    """

    def __init__(self, tls: ssl.SSLContext | None, allowed: Allowed, takes: Takes = lambda: 0.0) -> None:
        self.allowed, self.takes = allowed, takes
        self.counts = Counts()
        self.greeting: bytes | None = b"220 mailbox.example ESMTP"
        self.port = 0
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="mailbox", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _listen(self) -> None:
        self._sessions: set[_MailboxSession] = set()
        self._server = await self._loop.create_server(self._session, "127.0.0.1", 0, ssl=self._tls, backlog=256)
        self.port = self._server.sockets[0].getsockname()[1]

    def _session(self) -> Session:
        return _MailboxSession(self)

    async def _end(self) -> None:
        self._server.close()
        for session in list(self._sessions):
            session.abort()
        while self.counts.open:
            await asyncio.sleep(0.001)

    def came(self, session: "_MailboxSession") -> None:
        """Called by a session when its connection stands, TLS included."""
        self._sessions.add(session)

    def gone(self, session: "_MailboxSession") -> None:
        """Called by it at its end."""
        self._sessions.discard(session)

    # -- what a test asks ----------------------------------------------------------------------------------------

    def too_many_at_once(self) -> int:
        """Mails that began although as many as are allowed were under way."""
        return len(self.counts.crowded)

    def too_many_in_a_span(self) -> int:
        """Mails beyond what any span may have: the worse of two counts, by beginning and by arrival."""
        arrivals = [mail.at for mail in list(self.counts.mails)]
        return max(beyond(times, self.allowed) for times in (list(self.counts.began), arrivals))

    def violations(self) -> int:
        """Mails beyond either limit."""
        return self.too_many_at_once() + self.too_many_in_a_span()


class _Under:
    """The host of one session: its counts are the mailbox's."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._began = 0.0

    def opened(self) -> bytes | None:
        counts = self._mailbox.counts
        counts.connections.append(time.monotonic())
        counts.open += 1
        counts.most_open = max(counts.most_open, counts.open)
        return self._mailbox.greeting

    def closed(self) -> None:
        self._mailbox.counts.open -= 1

    def began(self) -> bytes | None:
        counts = self._mailbox.counts
        self._began = time.monotonic()
        counts.began.append(self._began)
        if counts.under_way >= self._mailbox.allowed.concurrency:
            counts.crowded.append(self._began)
        counts.under_way += 1
        counts.most_under_way = max(counts.most_under_way, counts.under_way)
        return None

    def arrived(self, recipients: tuple[str, ...]) -> Answer:
        now, takes = time.monotonic(), self._mailbox.takes()
        self._mailbox.counts.mails.append(Arrived(recipients, self._began, now, now + takes))
        return Answer(after=takes)

    def ended(self) -> None:
        self._mailbox.counts.under_way -= 1


class _MailboxSession(Session):
    def __init__(self, mailbox: Mailbox) -> None:
        super().__init__(_Under(mailbox))
        self._mailbox = mailbox

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._mailbox.came(self)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._mailbox.gone(self)

    def abort(self) -> None:
        """Resets the connection."""
        self._transport.abort()


def beyond(times: Sequence[float], allowed: Allowed) -> int:
    """How many of these moments are one too many within ``allowed.seconds`` before them.

    Those that are too many count on: a burst of five too many is five, and the next minute after it is not free.
    """
    ordered = sorted(times)
    found = 0
    for place, at in enumerate(ordered):
        first = bisect_right(ordered, at - allowed.seconds, 0, place)
        found += place - first + 1 > allowed.mails
    return found


def most_in_a_span(times: Sequence[float], seconds: float) -> int:
    """The most moments in any span of so many seconds."""
    ordered = sorted(times)
    return max(
        (place - bisect_right(ordered, at - seconds, 0, place) + 1 for place, at in enumerate(ordered)), default=0
    )


def at_random(chance: random.Random, least: float, most: float) -> Takes:
    """Mostly near ``least``, seldom near ``most``: the long tail that servers have."""
    return lambda: least + (most - least) * chance.random() ** 4
