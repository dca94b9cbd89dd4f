"""What ends a request at its deadline whatever the server does: its connection is shut down from outside.

A time-out of a socket is for one read: a server that sends a byte now and then, in the handshake, the header fields or
the body, could hold a thread for hours.
"""

import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError


class Deadline:
    """A context that shuts down the connections opened in it after ``seconds`` of real time.

    ``passed`` says whether it came to that; what was read then is not to be believed.
    """

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._watched: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(max(seconds, 0.0), self._end)
        self._timer.daemon = True
        self._until = time.monotonic() + seconds

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            for watched in self._watched:
                watched.close()
            self._watched.clear()

    def left(self) -> float:
        """How many seconds are left."""
        return self._until - time.monotonic()

    def watch(self, connection: socket.socket) -> None:
        """Takes note of a connection, at once after it was made."""
        with self._lock:
            # A second descriptor: TLS takes the first one over, and this one cannot be another's by then.
            self._watched.append(connection.dup())
            if self.passed:
                _shut(connection)

    def _end(self) -> None:
        with self._lock:
            self.passed = True
            for watched in self._watched:
                _shut(watched)


class WatchedPool(HTTPSConnectionPool):
    """Connections to one server that end at a deadline."""

    deadline: Deadline

    def _new_conn(self) -> "_Connection":
        made = super()._new_conn()
        if not isinstance(made, _Connection):
            raise TypeError("a connection of another kind")
        made.deadline = self.deadline
        return made


class _Connection(HTTPSConnection):
    deadline: Deadline

    def _new_conn(self) -> socket.socket:
        """Tries the host's addresses in turn; the inherited method would give each of them the whole time."""
        fault: Exception = TimeoutError("no time")
        try:
            for family, kind, protocol, _, address in socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM):
                left = self.deadline.left()
                if left <= 0:
                    break
                try:
                    return self._connected(socket.socket(family, kind, protocol), address, left)
                except OSError as error:
                    fault = error
        except OSError as error:  # the name has no address
            fault = error
        said = "no connection"
        raise (ConnectTimeoutError if isinstance(fault, TimeoutError) else NewConnectionError)(self, said) from fault

    def _connected(self, made: socket.socket, address: Any, left: float) -> socket.socket:
        seconds = self.timeout if isinstance(self.timeout, int | float) else left
        try:
            made.settimeout(min(seconds, left))
            made.connect(address)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made.settimeout(seconds)
            self.deadline.watch(made)
        except OSError:
            made.close()
            raise
        return made


WatchedPool.ConnectionCls = _Connection


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
