"""The settings pages of this process behind a socket of the loopback address, in a thread of their own."""

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from config.web.server import listen, serve
from tests.settings_site import Clock, Site, settings_site

T = TypeVar("T")


class ServedSite:
    """A site that threads can use; a context manager."""

    def __init__(self, folder: Path, *, clock: Clock | None = None) -> None:
        self._folder = folder
        self._clock = clock
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._work, name="settings pages")
        self._fault: BaseException | None = None
        self._site: Site | None = None
        self.url = ""

    @property
    def site(self) -> Site:
        """All its parts; use them by :meth:`run`."""
        assert self._site is not None, "it was not started"
        return self._site

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Does something in the site's loop and waits for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(30)
        if self._fault is not None:
            raise self._fault
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)

    def _work(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:  # noqa: BLE001 - told to whoever started it
            self._fault = error
        finally:
            self._ready.set()
            self._loop.close()

    async def _serve(self) -> None:
        async with settings_site(self._folder, clock=self._clock) as self._site:
            listener = listen("127.0.0.1", 0)
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            self._ready.set()
            await serve(self._site.app, listener, stop=self._stop, drain_seconds=1)
