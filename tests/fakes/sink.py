"""An SMTP server that takes mails as fast as a Python program can, for tests that account for thousands of them.

It speaks plain text without TLS or sign-in, records each mail it takes, and misbehaves when ``behave`` says so; what it
lacks (TLS, AUTH, strictness) ``tests.fakes.smtpd`` has. It runs in a thread of its own.
"""

import asyncio
import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.fakes.smtpd_script import Wire

__all__ = ["Later", "Sink", "Taken", "Wire"]

END = b"\r\n.\r\n"


@dataclass(frozen=True, slots=True)
class Later:
    """Behaves, but only after ``seconds``."""

    seconds: float


Action = str | Wire | Later
Behave = Callable[[str, str], Action | None]
"""Asked at each phase (GREETING, a verb, UPLOAD within the message, BODY after the dot) with the argument of the
command, for DATA, UPLOAD and BODY with the recipients."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A mail the server took, with its time on the monotonic clock; ``content`` only if the sink keeps it."""

    recipients: tuple[str, ...]
    digest: bytes
    at: float
    peer: tuple[str, int]
    answered: bool
    content: bytes = field(default=b"", repr=False)


class Sink:
    """A server on 127.0.0.1; a context manager. ``taken`` may be read from any thread.

    With ``mails_each`` it closes a connection after so many mails. ``asking`` is the far end of the connection that
    ``behave`` is being called for.
    """

    def __init__(
        self, behave: Behave | None = None, *, keep: bool = False, port: int = 0, mails_each: int | None = None
    ) -> None:
        self.behave = behave or (lambda phase, argument: None)
        self.keep = keep
        self.mails_each = mails_each
        self.asking = ("", 0)
        self.port = port
        self.taken: list[Taken] = []
        self._counts: Counter[str] = Counter()
        self.commands: Counter[str] = Counter()
        self.connections = 0
        self.open: set[_Session] = set()
        self.in_data: set[str] = set()
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._server: asyncio.Server | None = None

    def recipients(self) -> Counter[str]:
        """How often each recipient got a mail."""
        return Counter(self._counts)

    def distinct(self) -> int:
        """How many recipients got at least one mail."""
        return len(self._counts)

    def record(self, mail: Taken) -> None:
        """Called by a session for each mail that was taken."""
        self.taken.append(mail)
        self._counts.update(mail.recipients)
        self.in_data.difference_update(mail.recipients)

    def start(self) -> None:
        """Listens when it returns."""
        self._thread = threading.Thread(target=self._loop.run_forever, name="sink", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def stop(self) -> None:
        """Closes all connections and the port. Idempotent."""
        if self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._thread = None

    def cut_all(self) -> None:
        """Resets every open connection."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(10)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(lambda: _Session(self), "127.0.0.1", self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _cut(self) -> None:
        for session in list(self.open):
            session.transport.abort()

    async def _end(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._cut()
        while self.open:
            await asyncio.sleep(0.001)


class _Session(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._buffer = bytearray()
        self._recipients: list[str] = []
        self._message = False
        self._held = False
        self._scanned = 0
        self._mails = 0
        self.peer = ("", 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.peer = transport.get_extra_info("peername")
        self._sink.connections += 1
        self._sink.open.add(self)
        self._answer("GREETING", "", "220 sink.example ESMTP")

    def connection_lost(self, exc: Exception | None) -> None:
        self._sink.open.discard(self)
        self._sink.in_data.difference_update(self._recipients)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._go_on()

    def _go_on(self) -> None:
        while not self._held and not self.transport.is_closing():
            if self._message:
                if not self._upload():
                    return
                continue
            end = self._buffer.find(b"\r\n")
            if end < 0:
                return
            line = self._buffer[:end].decode("utf-8", "replace")
            del self._buffer[: end + 2]
            self._command(line)

    def _command(self, line: str) -> None:
        verb, _, argument = line.partition(" ")
        verb = verb.upper()
        self._sink.commands[verb] += 1
        if verb == "EHLO":
            self._answer(verb, argument, "250-sink.example\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 33554432")
        elif verb == "RCPT":
            address = argument.partition("<")[2].partition(">")[0]
            self._answer(verb, address, "250 2.1.5 OK", then=lambda: self._recipients.append(address))
        elif verb == "DATA":
            self._answer(verb, ",".join(self._recipients), "354 go ahead", then=self._begin)
        elif verb == "QUIT":
            self.transport.write(b"221 2.0.0 bye\r\n")
            self.transport.close()
        else:
            if verb in ("MAIL", "RSET"):
                self._recipients = []
            self._answer(verb, argument, "250 2.0.0 OK")

    def _begin(self) -> None:
        self._message, self._scanned = True, 0
        self._sink.in_data.update(self._recipients)

    def _upload(self) -> bool:
        if not self._scanned and self._buffer:
            action = self._action("UPLOAD", ",".join(self._recipients))
            if action is Wire.CUT:
                self.transport.abort()
                return False
        end = self._buffer.find(END, max(0, self._scanned - len(END)))
        if end < 0:
            self._scanned = len(self._buffer)
            return False
        content = bytes(self._buffer[: end + 2])
        del self._buffer[: end + len(END)]
        self._message = False
        self._take(content)
        return True

    def _take(self, content: bytes) -> None:
        recipients = tuple(self._recipients)

        def taken(*, answered: bool = True) -> None:
            mail = Taken(
                recipients,
                hashlib.blake2b(content, digest_size=16).digest(),
                time.monotonic(),
                self.peer,
                answered,
                content if self._sink.keep else b"",
            )
            self._sink.record(mail)
            self._mails += 1

        action = self._action("BODY", ",".join(recipients))
        if action in (Wire.TAKE_AND_CUT, Wire.TAKE_AND_HANG):
            taken(answered=False)
        self._perform(action, "250 2.0.0 taken", taken)

    def _answer(self, phase: str, argument: str, reply: str, *, then: Callable[[], None] | None = None) -> None:
        self._perform(self._action(phase, argument), reply, then)

    def _action(self, phase: str, argument: str) -> Action | None:
        self._sink.asking = self.peer
        return self._sink.behave(phase, argument)

    def _perform(self, action: Action | None, reply: str, then: Callable[[], None] | None) -> None:
        match action:
            case Wire.CUT | Wire.TAKE_AND_CUT:
                self.transport.abort()
            case Wire.HANG | Wire.TAKE_AND_HANG:
                self._held = True
            case Later(seconds=seconds):
                self._held = True
                asyncio.get_running_loop().call_later(seconds, self._resume, reply, then)
            case str():
                self.transport.write(action.encode() + b"\r\n")
                if action.startswith("421"):
                    self.transport.close()
            case _:
                if then is not None:
                    then()
                self.transport.write(reply.encode() + b"\r\n")
                if self._sink.mails_each is not None and self._mails >= self._sink.mails_each:
                    self.transport.close()

    def _resume(self, reply: str, then: Callable[[], None] | None) -> None:
        if self.transport.is_closing():
            return
        self._held = False
        self._perform(None, reply, then)
        self._go_on()
