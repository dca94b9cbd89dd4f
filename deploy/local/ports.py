"""Free TCP ports for private servers: this process then has them to itself, the server binds them later.

All ports are below 32768: above it the kernel hands them out to outgoing connections, and a server that starts a
moment later finds its port taken.
"""

import contextlib
import random
import socket
import subprocess
import threading
import time

LOWEST = 20_000
HIGHEST = 32_000
LOOPBACK = "127.0.0.1"
SLOT = 20
"""Neighbouring ports that one process has to itself, and the size of the largest block."""


class NoFreePorts(RuntimeError):
    """No block of free ports was found after many tries."""


def is_free(port: int) -> bool:
    """Whether a server could listen on ``port`` of the loopback address and of every other one."""
    for address in (LOOPBACK, "0.0.0.0"):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


class Ports:
    """The ports of one process, which takes slots of :data:`SLOT` ports and hands out blocks of them.

    Test workers, demos and other clones start servers at the same moment. A slot is claimed by a socket with an
    abstract name (unix(7)), which the kernel gives to one process at a time and takes back however that one ends.
    """

    def __init__(self, choose: random.Random | None = None) -> None:
        self._choose = choose or random.SystemRandom()
        self._lock = threading.Lock()
        self._claims: list[socket.socket] = []
        self._next = self._end = 0

    def block(self, size: int) -> int:
        """The first of ``size`` neighbouring free ports; no port is handed out twice.

        Raises:
            NoFreePorts: after 600 slots.
        """
        with self._lock:
            for _ in range(600):
                if self._next + size > self._end:
                    self._take_slot()
                while self._next + size <= self._end:
                    first, self._next = self._next, self._next + size
                    if all(is_free(port) for port in range(first, first + size)):
                        return first
        raise NoFreePorts(f"no {size} neighbouring free ports between {LOWEST} and {HIGHEST}")

    def _take_slot(self) -> None:
        first = self._choose.randrange(LOWEST, HIGHEST, SLOT)
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0mailroom-ports-{first}")
        except OSError:
            claim.close()
        else:
            self._claims.append(claim)
            self._next, self._end = first, first + SLOT

    def close(self) -> None:
        """Lets other processes have the slots."""
        with self._lock:
            while self._claims:
                self._claims.pop().close()
            self._next = self._end = 0


free_block = Ports().block
"""For one process: see :meth:`Ports.block`."""


def listens(port: int, timeout: float = 1.0) -> bool:
    """Whether something on this machine takes connections on ``port``."""
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=timeout):
        return True
    return False


def await_listening(port: int, process: "subprocess.Popen[bytes]", timeout: float = 10.0) -> bool:
    """Waits until ``process`` takes connections on ``port``; false when it ended or ``timeout`` seconds passed."""
    until = time.monotonic() + timeout
    while time.monotonic() < until and process.poll() is None:
        if listens(port):
            return True
        time.sleep(0.02)
    return False
