"""Asking the operating system for the addresses of a name. Whether one may be connected to is not decided here."""

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress


def look_up(host: str, port: int) -> Sequence[str]:
    """The addresses in the order of RFC 6724, each once; blocks. Raises ``socket.gaierror`` or ``UnicodeError``."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


async def system_resolver(host: str, port: int, ask: Callable[[str, int], Sequence[str]] = look_up) -> Sequence[str]:
    """What ``ask`` returns or raises.

    Each look-up has a thread of its own. The system gives up on a name server that is silent only after half a minute
    or more and cannot be told to stop, so in the event loop's few threads the names of some tenants would keep all the
    others waiting; and the end of the process would wait for them.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Sequence[str]] = loop.create_future()

    def settle(found: Sequence[str] | Exception) -> None:
        if answer.done():
            return
        if isinstance(found, Exception):
            answer.set_exception(found)
        else:
            answer.set_result(found)

    def work() -> None:
        found: Sequence[str] | Exception
        try:
            found = ask(host, port)
        except Exception as error:  # noqa: BLE001 - handed on to whoever waits for the answer
            found = error
        # The loop is closed when the process has not waited for the answer.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, found)

    threading.Thread(target=work, name="resolver", daemon=True).start()
    return await answer
