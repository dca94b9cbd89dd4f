"""The connections of one account: how many, how long kept, and who may open one. Nothing about mails.

Two rules protect the account:

* while no connection is known to work, one opens alone (*single flight*) and its failure is everybody's who waits
  for it, so a wrong password is tried once however many mails there are and a dead host is not stormed;
* a refused sign-in is remembered: until ``refusal_pause`` has passed nothing connects any more, unless the pool is
  rebuilt for new settings.
"""

import asyncio
import copy
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from transports.errors import AccountProblem, Code, DeliveryError, Unreachable
from transports.smtp.connection import Connection
from transports.smtp.failures import NAME
from transports.smtp.observer import ConnectionState
from transports.smtp.settings import SmtpContext
from transports.smtp.waiting_line import WaitingLine

Opener = Callable[[float], Awaitable[Connection]]
SIGN_IN_FAILURES = frozenset(
    {
        Code.SIGN_IN_REFUSED,
        Code.SIGN_IN_MECHANISM,
        Code.SIGN_IN_REQUIRED,
        Code.RECONNECTION_NEEDED,
        Code.ACCESS_POLICY,
    }
)
"""Refusals that a further attempt could turn into a lock-out."""


class Pool:
    """At most ``maximum`` connections, each leased to one mail at a time."""

    def __init__(self, opener: Opener, maximum: int, context: SmtpContext) -> None:
        self._opener = opener
        self._maximum = self._limit = maximum
        self._limited_at = 0.0
        self._context = context
        self._idle: deque[Connection] = deque()
        self._live = 0
        self._proven = False
        self._opening = 0
        self._line = WaitingLine()
        self._first = asyncio.Lock()
        self._failures = 0
        self._failure: DeliveryError | None = None
        self._refusal: tuple[float, AccountProblem] | None = None
        self._reaper: asyncio.TimerHandle | None = None
        self._goodbyes: set[asyncio.Task[None]] = set()
        self._closed = False

    @asynccontextmanager
    async def lease(self, deadline: float, *, fresh: bool = False) -> AsyncIterator[Connection]:
        """A connection for one mail; it is kept afterwards only if it is clean, whatever happened.

        With ``fresh`` no kept one is given. Raises ``Unreachable(NO_CONNECTION_FREE)`` when none gets free until
        ``deadline``, and whatever opening one raises.
        """
        try:
            connection = await self._acquire(deadline, fresh)
        except BaseException:
            # Who gives up passes the chance on: the wake-up that reached it was perhaps the last.
            self._line.wake(everyone=self._closed)
            raise
        self._context.observer.changed(ConnectionState.BUSY, +1)
        try:
            yield connection
        finally:
            self._context.observer.changed(ConnectionState.BUSY, -1)
            self._release(connection)

    def crowd(self) -> bool:
        """Notes that the server has too many connections of ours; False when there is no other one to wait for."""
        others = self._live - 1 + len(self._goodbyes)
        if others < 1:
            return False
        self._limit, self._limited_at = max(1, min(self._limit - 1, others)), self._context.clock()
        return True

    def refuse(self, error: AccountProblem) -> None:
        """Remembers a refused sign-in, also one that was met outside of the pool."""
        self._refusal = (self._context.clock(), copy.copy(error))

    def approve(self) -> None:
        """Forgets a refused sign-in after one that succeeded."""
        self._refusal = None

    async def aclose(self) -> None:
        """Says goodbye on the idle connections and waits for the leased ones. Idempotent."""
        self._closed = True
        self._reap()
        while self._live or self._opening or self._goodbyes:
            await self._line.changed()

    # -- taking -------------------------------------------------------------------------------------------------

    async def _acquire(self, deadline: float, fresh: bool) -> Connection:
        # Who asks for a fresh connection has met a dead one; the others may be dead as well.
        self._proven = self._proven and not fresh
        while True:
            self._check()
            # A server that has too many of ours counts those as well that are about to leave.
            crowded = bool(self._goodbyes) and self._live + self._opening + len(self._goodbyes) > self._limit
            connection = None if crowded else self._kept(fresh)
            if connection is not None:
                return connection
            self._recover()
            full = self._live + self._opening + len(self._goodbyes) >= self._limit
            if not self._proven and (self._opening or not full):
                connection = await self._open_alone(deadline)
            elif not full:
                connection = await self._open(deadline)
            else:
                await self._in_time(self._line.changed(), deadline)
            if connection is not None:
                return connection

    async def _in_time(self, waiting: Awaitable[object], deadline: float) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                await waiting
        except TimeoutError as error:
            raise Unreachable(Code.NO_CONNECTION_FREE, transport=NAME) from error

    def _check(self) -> None:
        if self._closed:
            raise Unreachable(Code.NO_CONNECTION_FREE, "closed", transport=NAME)
        if self._refusal is not None:
            since, error = self._refusal
            if self._context.clock() - since < self._context.refusal_pause:
                raise copy.copy(error)
            self._refusal = None

    def _kept(self, fresh: bool) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            self._context.observer.changed(ConnectionState.IDLE, -1)
            if not fresh and self._keepable(connection):
                return connection
            self._retire(connection)
        return None

    async def _open_alone(self, deadline: float) -> Connection | None:
        """None when somebody else opened one meanwhile; somebody else's failure is raised as one's own."""
        arrival = self._failures
        await self._in_time(self._first.acquire(), deadline)
        try:
            if self._failures > arrival and self._failure is not None:
                raise copy.copy(self._failure)
            self._check()
            return None if self._proven else await self._open(deadline)
        finally:
            self._first.release()

    async def _open(self, deadline: float) -> Connection | None:
        """None when the server has enough connections of ours."""
        alone = not self._proven
        self._opening += 1
        self._context.observer.changed(ConnectionState.OPENING, +1)
        try:
            connection = await self._opener(deadline)
        except DeliveryError as error:
            if isinstance(error, AccountProblem) and error.code in SIGN_IN_FAILURES:
                self.refuse(error)
            if error.code is Code.TOO_MANY_CONNECTIONS and self._live:
                self._limit, self._limited_at = self._live, self._context.clock()
                return None
            if alone:
                # A copy: the error itself holds, by its traceback, the mail that met it.
                self._failures, self._failure = self._failures + 1, copy.copy(error)
            raise
        finally:
            self._opening -= 1
            self._context.observer.changed(ConnectionState.OPENING, -1)
            self._line.wake(everyone=self._closed)
        self._live += 1
        self._proven = True
        self._context.observer.opened()
        self.approve()
        self._line.wake(everyone=self._closed)
        return connection

    def _recover(self) -> None:
        if self._limit < self._maximum and self._context.clock() - self._limited_at >= self._context.limit_recovery:
            self._limit, self._limited_at = self._limit + 1, self._context.clock()

    # -- giving back --------------------------------------------------------------------------------------------

    def _release(self, connection: Connection) -> None:
        connection.used = self._context.clock()
        if self._closed or self._live > self._limit or not self._keepable(connection):
            self._retire(connection)
        else:
            self._idle.append(connection)
            self._context.observer.changed(ConnectionState.IDLE, +1)
            self._watch()
        self._line.wake(everyone=self._closed)

    def _keepable(self, connection: Connection) -> bool:
        now, context = self._context.clock(), self._context
        return (
            connection.usable
            and connection.mails < context.max_mails_per_connection
            and now - connection.opened < context.max_age
            and now - connection.used < context.max_idle
        )

    def _retire(self, connection: Connection) -> None:
        self._live -= 1
        self._proven = self._proven and self._live > 0
        self._context.observer.closed()
        if not connection.usable:
            connection.abort()
            return
        goodbye = asyncio.ensure_future(connection.quit())
        self._goodbyes.add(goodbye)
        goodbye.add_done_callback(self._said)

    def _said(self, goodbye: "asyncio.Task[None]") -> None:
        self._goodbyes.discard(goodbye)
        self._line.wake(everyone=self._closed)

    def _watch(self) -> None:
        if self._reaper is None:
            self._reaper = asyncio.get_running_loop().call_later(self._context.max_idle, self._reap)

    def _reap(self) -> None:
        if self._reaper is not None:
            self._reaper.cancel()
            self._reaper = None
        kept: deque[Connection] = deque()
        for connection in self._idle:
            if not self._closed and self._keepable(connection):
                kept.append(connection)
            else:
                self._context.observer.changed(ConnectionState.IDLE, -1)
                self._retire(connection)
        self._idle = kept
        if kept:
            self._watch()
        self._line.wake(everyone=self._closed)
