"""What all private servers have in common as context managers."""

import asyncio
from abc import ABC, abstractmethod
from contextlib import suppress
from types import TracebackType
from typing import Self


def reset(transport: asyncio.BaseTransport | None) -> None:
    """Resets a connection; one that has ended meanwhile is none."""
    if isinstance(transport, asyncio.WriteTransport):
        # Up to Python 3.11.2 a TLS transport that is gone raises this.
        with suppress(AttributeError):
            transport.abort()


class Server(ABC):
    """Started on entry, closed on exit; a failed start leaves nothing behind either."""

    @abstractmethod
    def start(self) -> Self:
        """Starts it and waits until it is ready."""

    @abstractmethod
    def close(self) -> None:
        """Ends it and throws its data away; may be called twice."""

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
