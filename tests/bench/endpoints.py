"""Servers over TLS that take everything at once, in a process of their own: an HTTP API and SMTP submission.

``python -m tests.bench.endpoints FOLDER``: the certificate is in the folder; prints the two ports.
"""

import asyncio
import ssl
import sys
from pathlib import Path
from typing import cast

import uvloop

ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nDate: Sat, 21 Nov 2026 08:00:00 GMT\r\n\r\n"
SENT = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n{"id":"1a2b3c4d"}'


class Api(asyncio.Protocol):
    """Answers each request when its last octet is there: 202 as Graph does, 200 with an id as Gmail does."""

    def __init__(self) -> None:
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        self._held += data
        while True:
            head, end, rest = self._held.partition(b"\r\n\r\n")
            if not end:
                return
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
            if len(rest) < length:
                return
            self._held = rest[length:]
            self._transport.write(SENT if b"/gmail/" in head else ACCEPTED)


class Submission(asyncio.Protocol):
    """Says yes to every command."""

    def __init__(self) -> None:
        self._held = b""
        self._data = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._transport.write(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._held += data
        while True:
            if self._data:
                _, end, rest = self._held.partition(b"\r\n.\r\n")
                if not end:
                    return
                self._data, self._held = False, rest
                self._transport.write(b"250 2.0.0 taken\r\n")
                continue
            line, end, rest = self._held.partition(b"\r\n")
            if not end:
                return
            self._held = rest
            self._transport.write(self._reply(line[:4].upper()))

    def _reply(self, verb: bytes) -> bytes:
        if verb == b"EHLO":
            return b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 36700160\r\n250 AUTH PLAIN\r\n"
        if verb == b"AUTH":
            return b"235 2.7.0 welcome\r\n"
        if verb == b"DATA":
            self._data = True
            return b"354 go on\r\n"
        return b"250 2.0.0 yes\r\n"


async def serve(folder: Path) -> None:
    """Until the process is ended."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "certificate.pem")
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(kind, "127.0.0.1", 0, ssl=tls, backlog=1024) for kind in (Api, Submission)]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(Path(sys.argv[1])))
