"""Who may start now: everybody, or one suspect alone.

An event that was being sent when the process died twice may be what kills it. It runs alone, so that it convicts
itself and not its neighbours. What has been running for a while has proved that it does not kill at once;
so nobody waits longer than that while, whatever a slow server does.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

_PROVED = 3.0
"""Seconds after which a running event no longer keeps a suspect waiting, nor a suspect the others."""


class Gate:
    """A lock with many ordinary holders or one lone one. ``clock`` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float], proved: float = _PROVED) -> None:
        self._clock = clock
        self._proved = proved
        self._running: dict[object, float] = {}
        self._alone = asyncio.Lock()
        self._open = asyncio.Event()
        self._open.set()
        self._ended = asyncio.Event()

    @asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        """Runs beside others, unless a suspect is alone or waits to be."""
        while not self._open.is_set():
            await self._open.wait()
        with self._run():
            yield

    @asynccontextmanager
    async def alone(self, patience: float | None = None) -> AsyncIterator[None]:
        """Runs with nothing young beside it, for its first seconds.

        Raises TimeoutError when others were alone for ``patience`` seconds (``None``: waits for as long as it takes).
        """
        async with asyncio.timeout(patience):
            await self._alone.acquire()
        self._open.clear()
        reopened = False

        def reopen() -> None:
            nonlocal reopened
            if not reopened:
                reopened = True
                # Those who waited for a suspect go before the next one.
                self._open.set()
                asyncio.get_running_loop().call_soon(self._alone.release)

        timer: asyncio.TimerHandle | None = None
        try:
            await self._wait_for_young()
            timer = asyncio.get_running_loop().call_later(self._proved, reopen)
            with self._run():
                yield
        finally:
            if timer is not None:
                timer.cancel()
            reopen()

    def _run(self) -> "_Running":
        return _Running(self._running, self._clock, self._ended)

    async def _wait_for_young(self) -> None:
        while True:
            now = self._clock()
            youngest = max(self._running.values(), default=now - self._proved)
            remaining = youngest + self._proved - now
            if remaining <= 0:
                return
            self._ended.clear()
            try:
                async with asyncio.timeout(remaining):
                    await self._ended.wait()
            except TimeoutError:
                continue


class _Running:
    """One holder, from its start to its end."""

    __slots__ = ("_clock", "_ended", "_running")

    def __init__(self, running: dict[object, float], clock: Callable[[], float], ended: asyncio.Event) -> None:
        self._running = running
        self._clock = clock
        self._ended = ended

    def __enter__(self) -> None:
        self._running[self] = self._clock()

    def __exit__(self, *_: object) -> None:
        del self._running[self]
        self._ended.set()
