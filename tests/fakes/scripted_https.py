"""An HTTPS server whose every answer is scripted to the octet: for what a well-behaved one never does.

It runs in the loop of the test and keeps what it was asked. Without a script it answers 202 without a body, as Graph
does for a mail.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from transports.http import Http


class Trouble(StrEnum):
    """What happens instead of an answer."""

    CUT = "cut"  # the whole request was read; the connection is reset
    HANG = "hang"  # the whole request was read; nothing comes
    CUT_UPLOAD = "cut upload"  # only the header was read; the connection is reset
    HANG_UPLOAD = "hang upload"  # only the header was read, and no more is read


@dataclass(frozen=True, slots=True)
class Asked:
    """A request; ``headers`` by lower-case names. ``connection`` counts from 1. ``body`` is what was read of it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: int


@dataclass(frozen=True, slots=True)
class Early:
    """An answer to the header alone; what follows is read and thrown away."""

    reply: bytes


Answer = bytes | Trouble | Early
Script = Callable[[Asked], Answer]


def answer(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
    """A well-formed reply."""
    lines = [f"HTTP/1.1 {status} Words", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def accepting(_: Asked) -> Answer:
    """202 for everything."""
    return answer(202)


class ScriptedHttps:
    """``script`` may be replaced at any time; it is asked before the body is read, and again with it."""

    def __init__(self, tls: ssl.SSLContext | None, script: Script = accepting) -> None:
        self.script = script
        self.asked: list[Asked] = []
        self.connections = 0
        self.port = 0
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._ended = asyncio.Event()

    @property
    def url(self) -> str:
        """Without a final slash."""
        return f"https://localhost:{self.port}"

    @property
    def open(self) -> int:
        """How many connections are open."""
        return len(self._writers)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._ended.set()
        self._server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()
        while self._writers:
            await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        self._writers.add(writer)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, OSError):
                while await self._one(reader, writer, number):
                    pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        early = self.script(Asked(method, path, headers, b"", number))
        if early is Trouble.CUT_UPLOAD:
            self.asked.append(Asked(method, path, headers, b"", number))
            return False
        if early is Trouble.HANG_UPLOAD:
            self.asked.append(Asked(method, path, headers, b"", number))
            await self._ended.wait()
            return False
        if isinstance(early, Early):
            writer.write(early.reply)
            while await reader.read(65_536):
                pass
            return False
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        asked = Asked(method, path, headers, body, number)
        self.asked.append(asked)
        found = self.script(asked)
        if isinstance(found, bytes):
            writer.write(found)
            await writer.drain()
            return True
        if found is Trouble.HANG:
            await reader.read(1)  # until the client gives up
        return False


def http(trust: ssl.SSLContext, **limits: float | dict[str, int]) -> Http:
    """A client that trusts the tests' authority alone, with short bounds."""
    return Http(trust, **{"connect_timeout": 2.0, **limits})  # type: ignore[arg-type]
