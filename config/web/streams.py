"""Pages that stay open while a test runs: how many of them one visitor may keep in this process."""

from collections import Counter
from collections.abc import AsyncIterator, Hashable

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send


class Streams:
    """Counts what is open, at most ``most`` for each key."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: Counter[Hashable] = Counter()

    def answer(self, key: Hashable, content: AsyncIterator[str]) -> StreamingResponse | None:
        """A page in pieces that counts for ``key`` until it ends or the visitor goes; ``None`` if too many do."""
        if self._open[key] >= self._most:
            return None
        self._open[key] += 1
        return _Counted(self, key, content)

    def close(self, key: Hashable) -> None:
        """One of them has ended."""
        self._open[key] -= 1
        if self._open[key] <= 0:
            del self._open[key]

    def __len__(self) -> int:
        return self._open.total()


class _Counted(StreamingResponse):
    def __init__(self, streams: Streams, key: Hashable, content: AsyncIterator[str]) -> None:
        # Proxies that collect an answer before they pass it on would hold the pieces back.
        super().__init__(content, media_type="text/html", headers={"X-Accel-Buffering": "no"})
        self._streams, self._key = streams, key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.close(self._key)
