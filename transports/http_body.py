"""A request's body that knows when it was handed over: the one thing an HTTP client does not tell."""

import asyncio

from aiohttp import ClientConnectionResetError, Payload
from aiohttp.abc import AbstractStreamWriter

BLOCK = 65_536


class Body(Payload):
    """Bytes of a known length, written in blocks of 64 KiB as fast as the socket takes them.

    ``begun`` tells that there is a connection. ``handed_over`` is true from the moment in which the *last* octet is
    given to the socket, or with an empty body the header; before, no server can have had the whole request, and an
    incomplete one is not acted upon (RFC 9112 §8). ``stale`` tells that the connection was found closed before anything
    of the request was given to it.
    """

    _autoclose = True

    def __init__(self, value: bytes, content_type: str) -> None:
        super().__init__(value, content_type=content_type)
        self._value: bytes = value
        self._size = len(value)
        self.begun = False
        self.stale = False
        self.handed_over = False

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self._value.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        self.begun = True
        # One turn of the loop: a close that arrived while it was busy is read before anything is written to it.
        await asyncio.sleep(0)
        self.stale = _closed(writer)
        if self.stale:
            raise ClientConnectionResetError("closed before the request")
        last = max(0, (len(self._value) - 1) // BLOCK * BLOCK)
        for start in range(0, last, BLOCK):
            await writer.write(self._value[start : start + BLOCK])
        if _closed(writer):
            raise ClientConnectionResetError("closed before the body's end")
        self.handed_over = True
        await writer.write(self._value[last:] if last else self._value)


def _closed(writer: AbstractStreamWriter) -> bool:
    transport = getattr(writer, "transport", None)
    return transport is None or transport.is_closing()
