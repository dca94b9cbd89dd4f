"""aiosmtplib's protocol, made honest about two things: when a mail was handed over, and when replies are out of step.

The library writes a whole message in one piece and one timer covers upload and reply, so a caller cannot tell *not
sent* from *unknown*. Nothing about connecting, deadlines or the meaning of replies is here.
"""

import asyncio

from aiosmtplib.errors import SMTPServerDisconnected
from aiosmtplib.protocol import SMTPProtocol
from aiosmtplib.response import SMTPResponse

CHUNK = 64 * 1024
TERMINATOR = b".\r\n"
HEARD = 8


class OutOfStep(SMTPServerDisconnected):
    """The server said something nobody had asked for; a later reply could be taken for the wrong command's."""


class Wire(SMTPProtocol):
    """One connection's protocol.

    ``handed_over`` is False until the terminating dot of a message is given to the socket and True from then on, until
    the next message: while it is False the server cannot have accepted the message (RFC 5321 §4.1.1.4). ``heard`` are
    the first few bytes that the server said.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self.handed_over = False
        self.heard = b""
        self.lost: asyncio.Future[None] = loop.create_future()
        self._unsolicited = False

    @property
    def in_step(self) -> bool:
        """Connected, and nothing was received that no command had asked for."""
        return self.is_connected and not self._unsolicited and not self._buffer

    def data_received(self, data: bytes) -> None:
        """Also notes data that arrives between commands, which the library drops silently."""
        if len(self.heard) < HEARD:
            self.heard += data[:HEARD]
        if not self._response_pending:
            self._unsolicited = True
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Also resolves ``lost``."""
        super().connection_lost(exc)
        if not self.lost.done():
            self.lost.set_result(None)

    async def execute_command(self, *args: bytes, timeout: float | None = None) -> SMTPResponse:
        """As the library's, but refuses to write when replies are out of step."""
        if self.is_connected and not self.in_step:
            raise OutOfStep("unsolicited data")
        return await super().execute_command(*args, timeout=timeout)

    async def upload(self, content: bytes) -> SMTPResponse:
        """Writes a message that is already dot-stuffed and ends with CRLF, then the dot; returns the final reply.

        The dot goes out with the last piece, and only after the pieces before were taken by the socket's buffer. A
        reply that comes before the dot (a server that gives up early) is returned at once; ``handed_over`` is then
        still False and the connection must be closed.
        """
        self.handed_over = False
        reply = asyncio.ensure_future(self.read_response())
        try:
            # Lets the reader start first: the library throws away what arrives before someone reads.
            await asyncio.sleep(0)
            last = max(0, (len(content) - 1) // CHUNK) * CHUNK
            for start in range(0, last, CHUNK):
                self.write(content[start : start + CHUNK])
                await self._drained_or(reply)
                if reply.done():
                    return await reply
            if reply.done():
                return await reply
            self.write_end(content[last:])
            return await reply
        finally:
            _forget(reply)

    def write_end(self, piece: bytes) -> None:
        """Writes the last piece and the dot. From the write on the server may have the whole message."""
        if not self.is_connected:
            raise SMTPServerDisconnected("Connection lost")
        self.handed_over = True
        self.write(piece + TERMINATOR)

    async def _drained_or(self, reply: "asyncio.Future[SMTPResponse]") -> None:
        if not self._paused:
            return
        drained = asyncio.ensure_future(self._drain_helper())
        try:
            await asyncio.wait((drained, reply), return_when=asyncio.FIRST_COMPLETED)
            if drained.done():
                drained.result()
        finally:
            _forget(drained)


def _forget(task: "asyncio.Future[SMTPResponse] | asyncio.Future[None]") -> None:
    """Cancels what still runs; a failure that nobody will ask for is not a warning."""
    if not task.cancel() and not task.cancelled():
        task.exception()


def dot_stuffed(message: bytes) -> bytes:
    """The message as DATA transmits it: lines end with CRLF, a leading dot is doubled (RFC 5321 §4.5.2).

    A bare CR or LF becomes CRLF: left alone it lets one message smuggle a second one past some servers.
    """
    ends = message.count(b"\r\n")
    if message.count(b"\n") != ends or message.count(b"\r") != ends:
        message = b"\r\n".join(message.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"))
    if not message.endswith(b"\r\n"):
        message += b"\r\n"
    if message.startswith(b"."):
        message = b"." + message
    return message.replace(b"\r\n.", b"\r\n..")
