"""The connections of a publisher, shared by its threads: each is lent to one thread at a time."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from consumer.publisher_link import Link, LinkLost

MAX_IDLE: Final = 30.0
"""Seconds after which an idle connection is not trusted any more: it has no heartbeat, and routers forget."""


class LinkPool:
    """Up to ``limit`` links, opened when needed; the last one given back is lent first. Thread-safe."""

    def __init__(self, open_link: Callable[[], Link], limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._open = open_link
        self._clock = clock
        self._free = threading.Semaphore(limit)
        self._lock = threading.Lock()
        self._idle: list[Link] = []
        self._lent: set[Link] = set()
        self._closed = False

    @contextmanager
    def link(self, timeout: float) -> Iterator[Link]:
        """A link for a ``with`` block. It is kept only if it has nothing under way and nothing went wrong on it.

        Raises:
            LinkLost: none was free within ``timeout`` seconds.
            RuntimeError: the pool is closed.
        """
        if not self._free.acquire(timeout=max(0.0, timeout)):
            raise LinkLost("all connections of the publisher are in use")
        try:
            link = self._usable() or self._open()
            with self._lock:
                self._lent.add(link)
            healthy = False
            try:
                yield link
                healthy = link.waiting == 0
            finally:
                self._give_back(link, healthy)
        finally:
            self._free.release()

    def _usable(self) -> Link | None:
        while True:
            with self._lock:
                if self._closed:
                    raise RuntimeError("the publisher is closed")
                if not self._idle:
                    return None
                link = self._idle.pop()
            if self._clock() - link.idle_since < MAX_IDLE and not link.stale():
                return link
            link.close()

    def _give_back(self, link: Link, healthy: bool) -> None:
        with self._lock:
            self._lent.discard(link)
            keep = healthy and not self._closed
            if keep:
                link.idle_since = self._clock()
                self._idle.append(link)
        if not keep:
            link.close()

    def close(self) -> None:
        """Closes the idle links now and the lent ones when they come back. Idempotent."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for link in idle:
            link.close()

    def abandon(self) -> None:
        """Drops every link, lent or idle, in a forked child; takes no lock, as its owner may not exist here."""
        for link in (*self._idle, *self._lent):
            link.abandon()
