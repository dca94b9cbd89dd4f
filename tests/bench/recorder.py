"""Receiving servers in a process of their own that write down when each mail came, and do little else.

``python -m tests.bench.recorder FOLDER BEHAVIOUR``: the certificate of the second server is in the folder; prints two
ports, first that of the platform's relay (no TLS, takes everything), then that of one organisation's own server, which
behaves as it is told. Each mail is a record in ``FOLDER/taken.bin``: :data:`RECORD` with the first letter and the
number of its recipient, and the moment its last octet was there on the clock that all processes of a machine share.
"""

import asyncio
import socket
import ssl
import struct
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import uvloop

from tests.fakes.submission import YES, Answer, Session

RECORD: Final = struct.Struct("<cxxxId")
FILE: Final = "taken.bin"
CONNECTION: Final = b"c"
"""The letter of a record that stands for a connection to the organisation's own server."""

WRITE_EVERY: Final = 0.05
SLOW: Final = 5.0
A_MINUTE: Final = 30
BEHAVIOURS: Final = ("quick", "slow", "refuses", "black-hole", "throttles")
"""Takes at once; answers in five seconds; refuses connections; takes connections and never says anything; refuses
more than thirty mails in a minute."""


class Recorder:
    """The host of all sessions of one server."""

    def __init__(self, records: bytearray, behaviour: str = "quick", *, own: bool = False) -> None:
        self._records = records
        self._answer = Answer(after=SLOW) if behaviour == "slow" else YES
        self._limit = A_MINUTE if behaviour == "throttles" else None
        self._lately: deque[float] = deque()
        self._own = own

    def opened(self) -> bytes | None:
        if self._own:
            self._records += RECORD.pack(CONNECTION, 0, time.monotonic())
        return b"220 recorder.example ESMTP"

    def closed(self) -> None:
        pass

    def began(self) -> bytes | None:
        if self._limit is None:
            return None
        while self._lately and self._lately[0] <= time.monotonic() - 60:
            self._lately.popleft()
        return b"451 4.7.1 too much mail from you, come back later" if len(self._lately) >= self._limit else None

    def arrived(self, recipients: tuple[str, ...]) -> Answer:
        now = time.monotonic()
        name = recipients[0].partition("@")[0]
        self._records += RECORD.pack(name[:1].encode(), int(name[1:]), now)
        if self._limit is not None:
            self._lately.append(now)
        return self._answer

    def ended(self) -> None:
        pass


async def serve(folder: Path, behaviour: str) -> None:
    """Until the process is ended."""
    records = bytearray()
    loop = asyncio.get_running_loop()
    relay = Recorder(records)
    server = await loop.create_server(lambda: Session(relay), "127.0.0.1", 0, backlog=1024)
    port, kept = await _own(folder, behaviour, records)
    print(server.sockets[0].getsockname()[1], port, flush=True)
    with (folder / FILE).open("ab", buffering=0) as file:
        while kept is not None:
            await asyncio.sleep(WRITE_EVERY)
            _write(file, records)


def _write(file: BinaryIO, records: bytearray) -> None:
    if records:
        file.write(records)
        records.clear()


async def _own(folder: Path, behaviour: str, records: bytearray) -> tuple[int, object]:
    """The organisation's own server: its port, and what must not be forgotten while it is there."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port: int = listener.getsockname()[1]
    if behaviour == "refuses":
        return port, listener  # bound, and nobody listens: every connection is refused
    if behaviour == "black-hole":
        listener.listen(128)  # the kernel takes connections; when its queue is full they are not even refused
        return port, listener
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "certificate.pem")
    host = Recorder(records, behaviour, own=True)
    server = await asyncio.get_running_loop().create_server(lambda: Session(host), sock=listener, ssl=tls, backlog=1024)
    return port, server


def records(path: Path, offset: int = 0) -> Iterator[tuple[bytes, int, float]]:
    """The records behind ``offset`` octets: letter, number and moment; half a record at the end is left for later."""
    with path.open("rb") as file:
        file.seek(offset)
        content = file.read()
    yield from RECORD.iter_unpack(content[: len(content) // RECORD.size * RECORD.size])


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(Path(sys.argv[1]), sys.argv[2]))
