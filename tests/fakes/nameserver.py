"""A DNS server on loopback that says what a test wants, and a resolver that asks it: real packets, real CNAMEs."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import cast

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

Zone = Mapping[str, Sequence[Sequence[str]]]
"""Name to its answers, one for each time that it is asked; the last one stays. Records read ``CNAME name``, ``A …``."""


class Nameserver(asyncio.DatagramProtocol):
    """``asked`` are the names and types of the questions so far; a name that is not in the zone does not exist."""

    def __init__(self, zone: Zone) -> None:
        self.asked: list[tuple[str, str]] = []
        self._zone = {name.lower(): [list(answer) for answer in answers] for name, answers in zone.items()}
        self._transport: asyncio.DatagramTransport | None = None

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # CPython 3.11's own is of no such class.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        (question,) = query.question
        name, kind = str(question.name).rstrip(".").lower(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        if name not in self._zone:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        else:
            self._answer(reply, name, kind)
        assert self._transport is not None
        self._transport.sendto(reply.to_wire(), addr)

    def _answer(self, reply: dns.message.Message, name: str, kind: str) -> None:
        answers = self._zone.get(name, [[]])
        times = sum(1 for asked in self.asked if asked == (name, kind))
        for record in answers[min(max(times, 1), len(answers)) - 1]:
            of, value = record.split(" ")
            if of not in (kind, "CNAME"):
                continue
            shown = f"{value}." if of == "CNAME" else value
            reply.answer.append(dns.rrset.from_text(f"{name}.", 0, "IN", of, shown))
            if of == "CNAME":
                self._answer(reply, value.lower(), kind)


class Resolver:
    """What a transport asks for the addresses of a name: A and AAAA of that server, CNAMEs followed, nothing cached."""

    def __init__(self, server: Nameserver) -> None:
        self._stub = dns.asyncresolver.Resolver(configure=False)
        self._stub.nameservers, self._stub.port, self._stub.lifetime = ["127.0.0.1"], server.port, 5.0

    async def __call__(self, host: str, port: int) -> list[str]:
        found: list[str] = []
        for kind in ("A", "AAAA"):
            try:
                answer = await self._stub.resolve(f"{host}.", kind, raise_on_no_answer=False)
            except dns.exception.DNSException as error:
                raise OSError("no such name") from error
            found += [str(record) for record in answer.rrset or ()]
        return found


@asynccontextmanager
async def nameserver(zone: Zone) -> AsyncIterator[tuple[Nameserver, Resolver]]:
    """The server, listening, and a resolver that asks it."""
    server = Nameserver(zone)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: server, local_addr=("127.0.0.1", 0)
    )
    try:
        yield server, Resolver(server)
    finally:
        transport.close()
