"""The account of events in the database: the one thread, and the one connection in it, by which it is kept.

A transaction through the event loop's pool costs more than what it does, and every mail needs two. So what is to be
done comes in batches to blocking code in a thread of its own. The rules (which state follows which) are not known here.
"""

import asyncio
import contextlib
import queue
import threading
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable
from typing import Any, Final, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from config.store import Store
from config.store_errors import unavailable
from config.store_ledger_postgresql import SETTINGS, PostgresqlLedger
from config.store_ledger_rows import LedgerDatabase
from config.store_ledger_sqlite import SqliteLedger

T = TypeVar("T")
_Task = tuple[Callable[[LedgerDatabase], Any], AbstractEventLoop, "Future[Any]"]

_CLOSE: Final = 2.0
"""Seconds that closing waits for the thread; it holds nobody up after that."""


class LedgerStore:
    """Runs functions with the connection, one at a time, in the order given; for one event loop.

    The connection is made when it is first needed, and anew after any error.
    """

    def __init__(self, store: Store, *, wrap: Callable[[LedgerDatabase], LedgerDatabase] = lambda made: made) -> None:
        self._store = store
        self._wrap = wrap
        self._engine = store.blocking_engine(SETTINGS)
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._database: LedgerDatabase | None = None

    async def read(self, work: Callable[[LedgerDatabase], T]) -> T:
        """What ``work`` returns; see :meth:`write`."""
        return await self._run(work)

    async def write(self, work: Callable[[LedgerDatabase], T]) -> T:
        """What ``work`` returns; on SQLite no other writer of this process runs beside it.

        Raises:
            StoreUnavailable: the database or its driver failed, or stood still for too long. What ``work`` had begun to
                commit may have been committed or not.
        """
        async with self._store.writers_turn:
            return await self._run(work)

    async def _run(self, work: Callable[[LedgerDatabase], T]) -> T:
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="ledger", daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        future: Future[T] = loop.create_future()
        self._tasks.put((work, loop, future))
        watch = loop.call_later(self._store.deadline, self._interrupt)
        try:
            return await future
        finally:
            watch.cancel()

    def _interrupt(self) -> None:
        database = self._database
        if database is not None:
            # Whatever it is doing by now, a connection that is used up is not worth an error.
            with contextlib.suppress(Exception):
                database.interrupt()

    def _serve(self) -> None:
        while (task := self._tasks.get()) is not None:
            work, loop, future = task
            answer: Any = None
            error: BaseException | None = None
            try:
                answer = work(self._connected())
            except BaseException as failure:  # noqa: BLE001 - the boundary of the thread: whoever asked is told
                self._disconnect()
                error = self._named(failure)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_answer, future, answer, error)
        self._disconnect()

    def _connected(self) -> LedgerDatabase:
        if self._database is None:
            self._database = self._wrap(_connect(self._engine))
        return self._database

    def _disconnect(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            with contextlib.suppress(*self._failures()):
                database.close()

    def _failures(self) -> tuple[type[BaseException], ...]:
        driver: Any = self._engine.dialect.loaded_dbapi
        return (driver.Error, SQLAlchemyError, OSError)

    def _named(self, failure: BaseException) -> BaseException:
        if not isinstance(failure, self._failures()):
            return failure
        error = unavailable(self._engine.url, failure)
        error.__cause__ = failure
        return error

    async def aclose(self) -> None:
        """Ends the thread after what it was given before; idempotent. Does not wait for a database that hangs."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._tasks.put(None)
        try:
            async with asyncio.timeout(_CLOSE):
                await asyncio.to_thread(thread.join, _CLOSE)
        except TimeoutError:
            self._interrupt()


def _answer(future: "Future[Any]", answer: object, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(answer)
    else:
        future.set_exception(error)


def _connect(engine: Engine) -> LedgerDatabase:
    pooled = engine.raw_connection()
    driver: Any = pooled.driver_connection
    # From here on it is ours to close.
    pooled.detach()
    return PostgresqlLedger(driver) if engine.dialect.name == "postgresql" else SqliteLedger(driver)
