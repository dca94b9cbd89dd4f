"""The first three stages of a check of an API transport: can the provider be reached, and by which certificate."""

import asyncio
import socket
import ssl
from typing import cast
from urllib.parse import urlsplit

from transports.certificate import tls_facts
from transports.errors import Code, Unreachable
from transports.http import Http
from transports.http_failures import translate
from transports.stages import Stages


async def reach(url: str, http: Http, deadline: float, stages: Stages, name: str) -> None:
    """Goes through ``address``, ``connect`` and ``tls`` of ``url`` on a connection of its own, which is then closed.

    Nothing is asked of the server. ``deadline`` is loop time, ``name`` the transport's.

    Raises:
        Unreachable: the stage under way failed.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    until = min(deadline, asyncio.get_running_loop().time() + http.connect_timeout)
    stages.enter("address")
    addresses = await _resolve(host, port, until, name)
    stages.enter("connect")
    connected = await _connect(addresses, until, name)
    try:
        stages.enter("tls")
        await _shake_hands(connected, host, http.tls, until, stages, name)
    finally:
        connected.close()


_Addresses = list[tuple[socket.AddressFamily, tuple[object, ...]]]


async def _resolve(host: str, port: int, until: float, name: str) -> _Addresses:
    try:
        async with asyncio.timeout_at(until):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable(Code.NAME_NOT_FOUND, transport=name) from error
    return [(family, address) for family, _, _, _, address in found]


async def _connect(addresses: _Addresses, until: float, name: str) -> socket.socket:
    loop = asyncio.get_running_loop()
    failure: OSError = OSError("no address")
    for tried, (family, address) in enumerate(addresses):
        connecting = socket.socket(family, socket.SOCK_STREAM)
        try:
            connecting.setblocking(False)
            share = max(0.0, until - loop.time()) / (len(addresses) - tried)
            async with asyncio.timeout(share):
                await loop.sock_connect(connecting, address)
        except OSError as error:
            connecting.close()
            failure = error
        except BaseException:
            connecting.close()
            raise
        else:
            return connecting
    code = Code.CONNECT_TIMEOUT if isinstance(failure, TimeoutError) else Code.CONNECT_FAILED
    raise Unreachable(code, "at connect", transport=name) from failure


async def _shake_hands(
    connected: socket.socket, host: str, tls: ssl.SSLContext, until: float, stages: Stages, name: str
) -> None:
    loop = asyncio.get_running_loop()
    writing: asyncio.BaseTransport | None = None
    try:
        async with asyncio.timeout_at(until):
            writing, _ = await loop.create_connection(asyncio.Protocol, sock=connected, ssl=tls, server_hostname=host)
        secured: ssl.SSLObject = writing.get_extra_info("ssl_object")
        stages.learn("tls", tls_facts(secured.getpeercert() or {}, secured.version() or ""))
    except ssl.SSLError as error:
        raise translate(error, handed_over=False, name=name) from error
    except OSError as error:
        raise Unreachable(Code.TLS_FAILED, "at tls", transport=name) from error
    finally:
        if writing is not None:
            cast(asyncio.WriteTransport, writing).abort()  # uvloop's is none by its class
