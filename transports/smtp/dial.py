"""From a host name to a connected socket, through the guard. No SMTP and no TLS here."""

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import ip_address

from transports.errors import Code, DeliveryError, NameServerSilent, Unreachable
from transports.smtp.failures import NAME, translate
from transports.smtp.guard import Address, host_name, literal_address
from transports.smtp.phases import Phase
from transports.smtp.settings import SmtpContext


async def find_addresses(host: str, port: int, context: SmtpContext, deadline: float) -> tuple[Address, ...]:
    """The addresses of ``host``, all of them judged by the guard, in the resolver's order.

    Raises ``AccountProblem`` (forbidden) or ``Unreachable(NAME_NOT_FOUND)``.
    """
    literal = literal_address(host)
    addresses = (literal,) if literal is not None else await _resolve(host_name(host), port, context, deadline)
    if context.guard is not None:
        context.guard.check(addresses, port)
    return addresses


def verified_name(host: str) -> str:
    """The name (or literal address) that the certificate must be for, also sent as SNI."""
    literal = literal_address(host)
    return host_name(host) if literal is None else str(literal)


async def _resolve(name: str, port: int, context: SmtpContext, deadline: float) -> tuple[Address, ...]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout_at(min(deadline, loop.time() + context.connect_timeout)):
            answers = await context.resolver(name, port)
    except (OSError, UnicodeError) as error:
        # For a person both look alike: nobody is to learn here which inner names there are.
        kind = NameServerSilent if _unanswered(error) else Unreachable
        raise kind(Code.NAME_NOT_FOUND, transport=NAME) from error
    if not answers:
        raise Unreachable(Code.NAME_NOT_FOUND, transport=NAME)
    # A zone identifier would make a link-local address pass for another one.
    return tuple(ip_address(answer.partition("%")[0]) for answer in answers)


def _unanswered(error: Exception) -> bool:
    """Whether no name server answered; the others of getaddrinfo(3)'s errors say that there is no such name."""
    if isinstance(error, socket.gaierror):
        return error.errno in (socket.EAI_AGAIN, socket.EAI_FAIL, socket.EAI_SYSTEM)
    return isinstance(error, OSError)


async def dial(addresses: Sequence[Address], port: int, context: SmtpContext, deadline: float) -> socket.socket:
    """A socket connected to the first of ``addresses`` that answers.

    The connect timeout is shared out, so that one dead address leaves time for the next. Raises ``Unreachable``.
    """
    loop = asyncio.get_running_loop()
    until = min(deadline, loop.time() + context.connect_timeout)
    failure: DeliveryError = Unreachable(Code.NAME_NOT_FOUND, transport=NAME)
    for tried, address in enumerate(addresses):
        share = max(0.0, until - loop.time()) / (len(addresses) - tried)
        try:
            return await _connect(loop, address, port, loop.time() + share)
        except OSError as error:
            failure = translate(error, Phase.CONNECT)
            failure.__cause__ = error
    raise failure


async def _connect(loop: asyncio.AbstractEventLoop, address: Address, port: int, until: float) -> socket.socket:
    connecting = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
    try:
        connecting.setblocking(False)
        async with asyncio.timeout_at(until):
            await loop.sock_connect(connecting, (str(address), port))
    except BaseException:
        connecting.close()
        raise
    return connecting
