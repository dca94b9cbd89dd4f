"""A wire that can be cut: a TCP proxy between a client and a real server (RabbitMQ, SMTP).

It carries bytes and knows no protocol. Everything that goes wrong between two machines is a method here; each takes
effect on the connections that are open and on those that come, until it is undone.

::

    async with Wire(host, port) as wire:
        client = connect("127.0.0.1", wire.port)
        wire.cut()                                  # every connection, at once, by a reset
        wire.cut_after(100, Direction.DOWN)         # each connection, after 100 more bytes from the server
        wire.freeze()                               # nothing moves, nothing is closed; thaw() lets it go on
        wire.black_hole()                           # new connections are accepted and never served
        wire.refuse()                               # new connections are refused; accept() undoes both
        wire.delay = 0.2                            # seconds added to each piece, in each direction
"""

import asyncio
import contextlib
import fcntl
import socket
import struct
import termios
from enum import StrEnum
from typing import Self

CHUNK = 65536


class Direction(StrEnum):
    """Which way bytes go."""

    UP = "up"  # from the client to the server
    DOWN = "down"  # from the server to the client


class Link:
    """One client's connection through the wire: how many bytes it has ``carried`` each way, and the ``last`` piece."""

    def __init__(self, wire: "Wire", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.carried = {Direction.UP: 0, Direction.DOWN: 0}
        self.last = {Direction.UP: b"", Direction.DOWN: b""}
        self.limit: dict[Direction, int | None] = {Direction.UP: None, Direction.DOWN: None}
        self.closed = False
        self._wire = wire
        self._client = (reader, writer)
        self._server: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._served = asyncio.Event()

    async def serve(self, host: str, port: int) -> None:
        """Carry bytes until one side closes or the wire is cut."""
        try:
            self._server = await asyncio.open_connection(host, port)
        except OSError:
            self.cut()
            return
        self._served.set()
        pumps = [
            asyncio.create_task(self._pump(self._client[0], self._server[1], Direction.UP)),
            asyncio.create_task(self._pump(self._server[0], self._client[1], Direction.DOWN)),
        ]
        try:
            # One side may close its half and still read (SMTP clients do): both have to end.
            await asyncio.wait(pumps)
        finally:
            for pump in pumps:
                pump.cancel()
            self._close()

    def cut(self) -> None:
        """End both halves by a reset, as a machine that lost its state does."""
        for writer in self._writers():
            sock: socket.socket | None = writer.get_extra_info("socket")
            if sock is not None and sock.fileno() >= 0:
                # Linger 0: close() sends RST and throws away what was not sent.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        self.closed = True

    def _writers(self) -> list[asyncio.StreamWriter]:
        return [self._client[1]] + ([self._server[1]] if self._server is not None else [])

    def _close(self) -> None:
        for writer in self._writers():
            writer.close()
        self.closed = True

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Direction) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                if self._wire.delay:
                    await asyncio.sleep(self._wire.delay)
                await self._wire.thawed()
                limit = self.limit[way]
                if limit is not None:
                    data, self.limit[way] = data[:limit], limit - len(data)
                writer.write(data)
                self.carried[way] += len(data)
                self.last[way] = data
                await writer.drain()
                if (limit := self.limit[way]) is not None and limit <= 0:
                    # The bytes let through must arrive before the reset overtakes them.
                    await _flushed(writer)
                    self.cut()
                    return
            if writer.can_write_eof():
                writer.write_eof()


class Wire:
    """The proxy; clients connect to ``port`` on ``listen``; it stays the same when refused and accepted again."""

    def __init__(self, host: str, port: int, *, listen: str = "127.0.0.1") -> None:
        self.delay = 0.0
        self.opened = 0
        self.links: list[Link] = []
        self._target = (host, port)
        self._listen = listen
        self._port = 0
        self._server: asyncio.Server | None = None
        self._thawed = asyncio.Event()
        self._thawed.set()
        self._dark = False
        self._limit: tuple[Direction, int] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.accept()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()
        self.cut()
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def port(self) -> int:
        """The port for clients."""
        return self._port

    @property
    def live(self) -> list[Link]:
        """The connections that are open."""
        return [link for link in self.links if not link.closed]

    def cut(self) -> int:
        """Reset every open connection; returns how many there were."""
        live = self.live
        for link in live:
            link.cut()
        return len(live)

    def cut_after(self, count: int, way: Direction, *, new_too: bool = False) -> None:
        """Let ``count`` more bytes through that way on each open connection, then reset it.

        With ``new_too`` on each connection that comes, as well, until `heal`.
        """
        for link in self.live:
            link.limit[way] = count
        if new_too:
            self._limit = (way, count)

    def heal(self) -> None:
        """New connections are not cut any more."""
        self._limit = None

    def freeze(self) -> None:
        """Carry nothing, in neither direction, and close nothing, as a stopped peer or a firewall does."""
        self._thawed.clear()

    def thaw(self) -> None:
        """Go on, with all that has queued up meanwhile."""
        self._thawed.set()

    async def thawed(self) -> None:
        """Wait until bytes may move."""
        await self._thawed.wait()

    def black_hole(self) -> None:
        """Accept new connections and never answer on them; open ones go on. Undone by `accept`."""
        self._dark = True

    async def refuse(self) -> None:
        """Refuse new connections; open ones go on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def accept(self) -> None:
        """Take new connections (again), on the same port."""
        self._dark = False
        if self._server is None:
            self._server = await asyncio.start_server(self._take, self._listen, self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        link = Link(self, reader, writer)
        self.links.append(link)
        if self._limit is not None:
            link.limit[self._limit[0]] = self._limit[1]
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(asyncio.CancelledError):
            if self._dark:
                await asyncio.Event().wait()
            await link.serve(*self._target)


async def _flushed(writer: asyncio.StreamWriter) -> None:
    """Wait until the kernel has taken what was written and the peer has acknowledged it."""
    transport, sock = writer.transport, writer.get_extra_info("socket")
    while transport.get_write_buffer_size() or _unacknowledged(sock):
        await asyncio.sleep(0.001)


def _unacknowledged(sock: socket.socket) -> bool:
    if sock.fileno() < 0:
        return False
    buffer = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0" * 4)
    return bool(struct.unpack("i", buffer)[0])
