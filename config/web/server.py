"""Runs the application behind a socket until it is told to stop, then lets running requests finish for a while.

uvicorn without its own access log (:mod:`config.web.incidents` writes the lines), without a ``Server`` header, and
without taking anything from ``X-Forwarded-…`` (:mod:`config.web.clients` does, from trusted proxies alone).
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

_KEEP_ALIVE: Final = 15
"""Seconds an idle connection stays open; proxies like to use one again."""

_HEAD_SECONDS: Final = 20.0
_MOST_CONNECTIONS: Final = 500
_BACKLOG: Final = 512
_LEAST_DRAIN: Final = 1
_LARGEST_HEADERS: Final = 32 * 1024


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; ``port`` 0 is any free one.

    Raises:
        OSError: the address is taken, or not one of this machine.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


async def serve(
    app: ASGIApp,
    listener: socket.socket,
    *,
    stop: asyncio.Event,
    drain_seconds: float,
    head_seconds: float = _HEAD_SECONDS,
    most_connections: int = _MOST_CONNECTIONS,
) -> float:
    """Serves until ``stop`` is set, then closes the listener and gives running requests ``drain_seconds``.

    Whoever has sent no complete head of a request within ``head_seconds`` is disconnected, and so is a connection
    beyond ``most_connections``: silent strangers would otherwise use up the process's files.

    Returns the seconds from ``stop`` to the end.
    """
    loop = asyncio.get_running_loop()
    ended = loop.time()
    server = _Server(
        uvicorn.Config(
            app,
            http=type("Protocol", (_Protocol,), {"head_seconds": head_seconds, "most_connections": most_connections}),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=max(_LEAST_DRAIN, round(drain_seconds)),
            h11_max_incomplete_event_size=_LARGEST_HEADERS,
        )
    )

    async def stopped() -> None:
        nonlocal ended
        await stop.wait()
        server.should_exit, ended = True, loop.time()

    watch = asyncio.create_task(stopped(), name="stop of the web server")
    try:
        await server.serve(sockets=[listener])
    finally:
        watch.cancel()
    return loop.time() - ended


class _Protocol(H11Protocol):
    """uvicorn's, which by itself waits for the head of a request for ever and takes any number of connections."""

    head_seconds: float
    most_connections: int
    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait, unless there are too many already."""
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            transport.abort()
            return
        self._wait()

    def handle_events(self) -> None:
        """The time for the next head begins anew with each request."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits no more."""
        if self._waiting is not None:
            self._waiting.cancel()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting = self.loop.call_later(self.head_seconds, self._time_is_up)

    def _time_is_up(self) -> None:
        if bool(self.cycle) and not self.cycle.response_complete:
            self._wait()  # a request is being answered
        elif not self.transport.is_closing():
            self.transport.close()


class _Server(uvicorn.Server):
    """Leaves signals to the program."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield
