"""Clients that ask a server over one kept connection each and note how long every answer took."""

import math
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Self

Ask = Callable[[int], bytes]
"""The bytes of the n-th request."""


@dataclass(frozen=True, slots=True)
class Latency:
    """What a run gave: milliseconds for one answer, and answers per second of all clients together.

    ``cpu`` is the server's processor time for one answer in milliseconds, if somebody measured it.
    """

    requests: int
    p50: float
    p99: float
    worst: float
    rate: float
    cpu: float = 0.0

    @classmethod
    def of(cls, seconds: Sequence[float], took: float) -> Self:
        """From the time of each answer and of the whole run; percentiles by nearest rank."""
        ordered = sorted(1000 * one for one in seconds)

        def rank(share: float) -> float:
            return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

        return cls(len(ordered), rank(0.5), rank(0.99), ordered[-1], len(ordered) / took)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, read to its end."""

    status: int
    headers: bytes
    body: bytes

    def header(self, name: str) -> str:
        """The first value of a header, empty if there is none."""
        for line in self.headers.split(b"\r\n"):
            key, _, value = line.partition(b":")
            if key.strip().lower() == name.lower().encode():
                return value.strip().decode()
        return ""


class Client:
    """One connection that is kept. A plain socket, so that the client costs little beside the server."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, request: bytes) -> Answer:
        """Sends a request and reads its answer; answers have a length or are chunked.

        Raises:
            ConnectionError: the server hung up in between.
        """
        self._socket.sendall(request)
        head, _, rest = self._until(b"\r\n\r\n").partition(b"\r\n\r\n")
        answer = Answer(int(head.split(b" ", 2)[1]), head, b"")
        if answer.header("transfer-encoding"):
            while not rest.endswith(b"0\r\n\r\n"):
                rest += self._more()
            return Answer(answer.status, head, rest)
        length = int(answer.header("content-length") or 0)
        while len(rest) < length:
            rest += self._more()
        self._rest = rest[length:]
        return Answer(answer.status, head, rest[:length])

    def _until(self, end: bytes) -> bytes:
        got, self._rest = self._rest, b""
        while end not in got:
            got += self._more()
        return got

    def _more(self) -> bytes:
        if not (part := self._socket.recv(65_536)):
            raise ConnectionError("the server hung up")
        return part


def request(method: str, path: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b"") -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers)]
    if body or method not in ("GET", "HEAD"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def measure(port: int, ask: Ask, *, requests: int, clients: int, expected: Iterable[int] = (200,)) -> Latency:
    """Asks ``requests`` times in all, each client as soon as its last answer is there.

    Raises:
        AssertionError: an answer had another status than ``expected``.
    """
    numbers, lock = iter(range(requests)), threading.Lock()
    seconds: list[float] = []
    failures: list[str] = []
    statuses = set(expected)

    def work() -> None:
        with Client(port) as client:
            while not failures:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                text = ask(number)
                began = time.perf_counter()
                answer = client.ask(text)
                seconds.append(time.perf_counter() - began)
                if answer.status not in statuses:
                    failures.append(f"{answer.status}: {answer.body[:300]!r}")

    threads = [threading.Thread(target=work) for _ in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]
    return Latency.of(seconds, time.perf_counter() - began)
