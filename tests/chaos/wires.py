"""Wires for code without an event loop: each of :class:`tests.fakes.wire.Wire`'s mischiefs as a blocking call."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tests.fakes.wire import Wire


class Wired:
    """A wire to ``host:port`` with a thread of its own; a context manager."""

    def __init__(self, host: str, port: int) -> None:
        self._wire = Wire(host, port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wire", daemon=True)

    @classmethod
    def to(cls, url: str) -> Self:
        """A wire to the server that a URL names."""
        parts = urlsplit(url)
        return cls(parts.hostname or "", parts.port or 0)

    @property
    def port(self) -> int:
        """Where clients connect."""
        return self._wire.port

    def through(self, url: str) -> str:
        """The URL with this wire in between."""
        parts = urlsplit(url)
        who = f"{parts.username}:{parts.password}@" if parts.username else ""
        return parts._replace(netloc=f"{who}127.0.0.1:{self.port}").geturl()

    def cut(self) -> int:
        """Resets every open connection; how many there were."""
        return self._call(self._wire.cut)

    def freeze(self) -> None:
        """Nothing moves any more, and nothing is closed."""
        self._call(self._wire.freeze)

    def thaw(self) -> None:
        """Goes on."""
        self._call(self._wire.thaw)

    def black_hole(self) -> None:
        """New connections are never served; open ones stand still."""
        self._call(self._wire.black_hole)
        self.freeze()

    def refuse(self) -> None:
        """New connections are refused, open ones reset."""
        self._wait(self._wire.refuse())
        self.cut()

    def heal(self) -> None:
        """Undoes everything."""
        self._wait(self._wire.accept())
        self.thaw()

    def __enter__(self) -> Self:
        self._thread.start()
        self._wait(self._wire.accept())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wait(self._wire.__aexit__())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _call(self, act: Callable[[], Any]) -> Any:
        async def acting() -> Any:
            return act()

        return self._wait(acting())

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)
