"""One live transport per account, kept between mails; nothing about who may use which account."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from transports.protocol import Transport

S = TypeVar("S")


@dataclass(slots=True)
class _Entry(Generic[S]):
    settings: S
    version: Hashable
    transport: Transport
    used: float
    users: int = 0
    retired: bool = False


class TransportCache(Generic[S]):
    """Builds a transport at the first use of a key and keeps it; at most ``capacity`` of them, save those in use.

    Other settings or another version for the same key build a new one at once; the old one is closed after those who
    use it have finished. ``max_unused`` seconds without a use close one too. ``clock`` is monotonic.
    """

    def __init__(
        self,
        factory: Callable[[S], Transport],
        capacity: int,
        clock: Callable[[], float],
        *,
        max_unused: float = 900.0,
    ) -> None:
        if capacity < 1:
            raise ValueError("capacity must be at least 1")
        self._factory = factory
        self._capacity = capacity
        self._clock = clock
        self._max_unused = max_unused
        self._entries: OrderedDict[Hashable, _Entry[S]] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()
        self._retired: list[_Entry[S]] = []
        self._closed = False

    def __len__(self) -> int:
        """How many transports are kept."""
        return len(self._entries)

    @asynccontextmanager
    async def use(self, key: Hashable, settings: S, version: Hashable = None) -> AsyncIterator[Transport]:
        """The transport of ``key``, which stays open at least until the block ends.

        Raises ``RuntimeError`` after :meth:`aclose`, and what the factory raises.
        """
        if self._closed:
            raise RuntimeError("the transport cache is closed")
        entry = self._entry(key, settings, version)
        entry.users += 1
        try:
            yield entry.transport
        finally:
            entry.users -= 1
            entry.used = self._clock()
            if entry.retired and not entry.users:
                self._close(entry)

    def _entry(self, key: Hashable, settings: S, version: Hashable) -> _Entry[S]:
        entry = self._entries.get(key)
        if entry is not None and (entry.settings != settings or entry.version != version):
            self.drop(key)
            entry = None
        if entry is None:
            entry = _Entry(settings, version, self._factory(settings), self._clock())
            self._entries[key] = entry
        self._entries.move_to_end(key)
        entry.used = self._clock()
        self._evict(entry)
        return entry

    def _evict(self, current: _Entry[S]) -> None:
        for key, entry in list(self._entries.items()):
            surplus = len(self._entries) > self._capacity
            if not surplus and self._clock() - entry.used < self._max_unused:
                return
            if entry is not current and not entry.users:
                self.drop(key)

    def drop(self, key: Hashable) -> None:
        """Forgets the transport of ``key``, if there is one, and closes it after its last user."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        entry.retired = True
        if entry.users:
            self._retired.append(entry)
        else:
            self._close(entry)

    def _close(self, entry: _Entry[S]) -> None:
        if entry in self._retired:
            self._retired.remove(entry)
        closing = asyncio.ensure_future(entry.transport.aclose())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def aclose(self) -> None:
        """Closes all transports, each after its running sends. Idempotent; no further use is possible."""
        self._closed = True
        remaining = [*self._entries.values(), *self._retired]
        self._entries.clear()
        for entry in remaining:
            entry.retired = True
        await asyncio.gather(*self._closing, *(entry.transport.aclose() for entry in remaining))
