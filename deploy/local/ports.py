"""Free TCP ports for private servers; it only looks, the server itself then binds.

All ports are below 32768: above it the kernel hands them out to outgoing connections, and a server that starts a
moment later finds its port taken.
"""

import contextlib
import random
import socket
import subprocess
import time

LOWEST = 20_000
HIGHEST = 32_000
LOOPBACK = "127.0.0.1"


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


def free_block(size: int, choose: random.Random | None = None) -> int:
    """The first of ``size`` neighbouring free ports.

    Two processes may be given the same block; the one whose server then cannot listen asks for another.

    Raises:
        NoFreePorts: after 200 blocks.
    """
    chance = choose or random.SystemRandom()
    for _ in range(200):
        first = chance.randrange(LOWEST, HIGHEST - size)
        if all(is_free(port) for port in range(first, first + size)):
            return first
    raise NoFreePorts(f"no {size} neighbouring free ports between {LOWEST} and {HIGHEST}")


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
