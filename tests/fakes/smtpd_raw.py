"""A TCP server that says exactly what a test wants, for what no real SMTP server would say. Runs in the test's loop."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

Talk = Callable[["Peer"], Awaitable[None]]


class Peer:
    """One connection, seen from the server; ``heard`` has every line that came in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ended: asyncio.Event) -> None:
        self.reader, self.writer = reader, writer
        self._ended = ended
        self.heard: list[bytes] = []

    async def say(self, *lines: str) -> None:
        """Sends lines, in one piece."""
        await self.raw("".join(f"{line}\r\n" for line in lines).encode())

    async def raw(self, data: bytes) -> None:
        """Sends bytes."""
        self.writer.write(data)
        await self.writer.drain()

    async def hear(self, start: str = "") -> bytes:
        """The next line, which must begin with ``start``."""
        line = await self.reader.readline()
        self.heard.append(line)
        assert line.upper().startswith(start.encode()), f"expected {start}, heard {line!r}"
        return line

    async def message(self) -> bytes:
        """Reads up to the final dot."""
        return await self.reader.readuntil(b"\r\n.\r\n")

    async def greet(self, *extensions: str) -> None:
        """Greeting and EHLO."""
        await self.say("220 raw.example ESMTP")
        await self.hear("EHLO")
        lines = ["raw.example", *extensions]
        await self.say(*(f"250{' ' if line is lines[-1] else '-'}{line}" for line in lines))

    async def envelope(self, recipients: int = 1) -> None:
        """MAIL and RCPT, accepted."""
        for verb in ("MAIL", *["RCPT"] * recipients):
            await self.hear(verb)
            await self.say("250 2.0.0 OK")

    async def accept(self) -> None:
        """A whole mail, accepted."""
        await self.envelope()
        await self.hear("DATA")
        await self.say("354 Go")
        await self.message()
        await self.say("250 2.0.0 Taken")

    def cut(self) -> None:
        """Resets the connection."""
        self.writer.transport.abort()

    async def stall(self) -> None:
        """Does not even read any more, until the test is over."""
        await self._ended.wait()

    async def hang(self) -> None:
        """Nothing any more, until the other side leaves."""
        with suppress(ConnectionError):
            await self.reader.read()


@asynccontextmanager
async def raw_server(*talks: Talk, tls: ssl.SSLContext | None = None) -> AsyncIterator["RawServer"]:
    """A server whose first connection is served by the first of ``talks``, and so on; the last serves all others."""
    server = RawServer(talks)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls, limit=2**26)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        server.ended.set()
        for peer in server.peers:
            peer.cut()
        await asyncio.gather(*(task for task in server.tasks if task), return_exceptions=True)


class RawServer:
    """``peers`` are the connections so far."""

    def __init__(self, talks: tuple[Talk, ...]) -> None:
        self.port = 0
        self.ended = asyncio.Event()
        self.peers: list[Peer] = []
        self.tasks: list[asyncio.Task[None] | None] = []
        self._talks = talks

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer, self.ended)
        self.tasks.append(asyncio.current_task())
        self.peers.append(peer)
        talk = self._talks[min(len(self.peers), len(self._talks)) - 1]
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await talk(peer)
        with suppress(ConnectionError):
            writer.close()
