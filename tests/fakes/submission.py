"""The SMTP side of servers that are measured against: a session that costs little, over TLS or not, with any sign-in.

What becomes of a mail its :class:`Host` decides. ``tests.fakes.smtpd`` is the strict one, ``tests.fakes.sink`` the one
that misbehaves at every phase.
"""

import asyncio
from dataclasses import dataclass
from typing import Protocol, cast

END = b"\r\n.\r\n"
_KEYWORDS = b"250-submission.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-SIZE 36700160\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply, ``after`` so many seconds; ``None``: the connection is reset instead."""

    text: bytes | None = b"250 2.0.0 taken"
    after: float = 0.0


YES = Answer()


class Host(Protocol):
    """What a server does with its sessions; called from its event loop."""

    def opened(self) -> bytes | None:
        """A connection was made; the greeting, or ``None`` to reset it."""
        ...

    def closed(self) -> None:
        """It is gone."""
        ...

    def began(self) -> bytes | None:
        """A mail begins (MAIL); a reply that refuses it, or ``None``."""
        ...

    def arrived(self, recipients: tuple[str, ...]) -> Answer:
        """A mail has arrived (its final dot)."""
        ...

    def ended(self) -> None:
        """A mail that began is over: answered, given up, or its connection is gone."""
        ...


class Session(asyncio.Protocol):
    """One connection."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._held = bytearray()
        self._scanned = 0
        self._message = self._under_way = self._waiting = False
        self._recipients: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        greeting = self._host.opened()
        if greeting is None:
            self._transport.abort()
        else:
            self._transport.write(greeting + b"\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        self._host.closed()

    def data_received(self, data: bytes) -> None:
        self._held += data
        self._go_on()

    def _go_on(self) -> None:
        replies = bytearray()
        while not self._waiting:
            reply = self._arrival() if self._message else self._command()
            if reply is None:
                break
            replies += reply
        if replies:
            self._transport.write(bytes(replies))

    def _command(self) -> bytes | None:
        end = self._held.find(b"\r\n")
        if end < 0:
            return None
        line = bytes(self._held[:end])
        del self._held[: end + 2]
        verb = line[:4].upper()
        if verb == b"EHLO":
            return _KEYWORDS + b"250 AUTH PLAIN LOGIN\r\n"
        if verb == b"AUTH":
            return b"235 2.7.0 welcome\r\n"
        if verb == b"QUIT":
            self._transport.write(b"221 2.0.0 bye\r\n")
            self._transport.close()
            return None
        return self._envelope(verb, line)

    def _envelope(self, verb: bytes, line: bytes) -> bytes:
        if verb == b"MAIL":
            self._end()
            refused = self._host.began()
            if refused is not None:
                return refused + b"\r\n"
            self._under_way = True
        elif verb == b"RSET":
            self._end()
        elif not self._under_way and verb in (b"RCPT", b"DATA"):
            return b"503 5.5.1 MAIL first\r\n"
        elif verb == b"RCPT":
            self._recipients.append(line.partition(b"<")[2].partition(b">")[0].decode())
        elif verb == b"DATA":
            self._message, self._scanned = True, 0
            return b"354 go on\r\n"
        return b"250 2.0.0 yes\r\n"

    def _arrival(self) -> bytes | None:
        end = self._held.find(END, max(0, self._scanned - len(END)))
        if end < 0:
            self._scanned = len(self._held)
            return None
        del self._held[: end + len(END)]
        self._message = False
        answer = self._host.arrived(tuple(self._recipients))
        if answer.text is None:
            self._transport.abort()
            return None
        if answer.after <= 0:
            self._end()
            return answer.text + b"\r\n"
        self._waiting = True
        asyncio.get_running_loop().call_later(answer.after, self._answer, answer.text)
        return None

    def _answer(self, text: bytes) -> None:
        self._waiting = False
        if not self._transport.is_closing():
            # The mail is over before its answer can be read: what comes next on another connection is no overlap.
            self._end()
            self._transport.write(text + b"\r\n")
            self._go_on()

    def _end(self) -> None:
        self._recipients = []
        if self._under_way:
            self._under_way = False
            self._host.ended()
