"""A small name server on loopback, over UDP and TCP; its answers are written down, and wrong in scripted ways."""

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import Enum, auto

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

TTL = 300
NEGATIVE_TTL = 77


class Fault(Enum):
    """What is wrong with an answer, instead of records."""

    SERVFAIL = auto()
    REFUSED = auto()
    SILENT = auto()
    MALFORMED = auto()
    NO_TCP = auto()  # truncated, and TCP ends without an answer


class NameServer(asyncio.DatagramProtocol):
    """Answers from ``zone``: ``{"example.org. TXT": ['"v=spf1 -all"']}``. ``asked`` has name, type and protocol.

    A name exists if it is written down with any type. UDP answers larger than the asker's payload are truncated.
    """

    def __init__(self, zone: Mapping[str, Sequence[str] | Fault]) -> None:
        self.zone = dict(zone)
        self.asked: list[tuple[str, str, str]] = []
        self.transport: asyncio.DatagramTransport | None = None
        self.tcp: asyncio.Server | None = None

    @property
    def port(self) -> int:
        assert self.transport is not None
        return self.transport.get_extra_info("sockname")[1]

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        query = dns.message.from_wire(data)
        reply = self._reply(query, "udp")
        if reply is not None and self.transport is not None:
            self.transport.sendto(reply, address)

    async def stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            reply = self._reply(dns.message.from_wire(await reader.readexactly(length)), "tcp")
            if reply is not None:
                writer.write(struct.pack("!H", len(reply)) + reply)
                await writer.drain()
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    def _reply(self, query: dns.message.Message, protocol: str) -> bytes | None:
        question = query.question[0]
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((str(question.name), kind, protocol))
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        script = self._follow(question.name, kind, response)
        match script:
            case Fault.SILENT:
                return None
            case Fault.MALFORMED:
                return response.to_wire()[:7]
            case Fault.SERVFAIL | Fault.REFUSED:
                response.set_rcode(getattr(dns.rcode, script.name))
                return response.to_wire()
            case Fault.NO_TCP:
                response.flags |= dns.flags.TC
                return response.to_wire() if protocol == "udp" else None
        wire = response.to_wire(max_size=65535)
        if protocol == "udp" and len(wire) > (query.payload or 512):
            response.answer.clear()
            response.flags |= dns.flags.TC
            wire = response.to_wire()
        return wire

    def _follow(self, name: dns.name.Name, kind: str, response: dns.message.Message) -> Fault | None:
        name = name.canonicalize()
        while alias := self.zone.get(f"{name} CNAME"):
            assert not isinstance(alias, Fault)
            response.answer.append(dns.rrset.from_text(name, TTL, "IN", "CNAME", alias[0]))
            name = dns.name.from_text(alias[0]).canonicalize()
        script = self.zone.get(f"{name} {kind}")
        if isinstance(script, Fault):
            return script
        if script:
            response.answer.append(dns.rrset.from_text(name, TTL, "IN", kind, *script))
            return None
        if not any(key.startswith(f"{name} ") for key in self.zone):
            response.set_rcode(dns.rcode.NXDOMAIN)
        soa = f"ns.example. hostmaster.example. 1 2 3 4 {NEGATIVE_TTL}"
        response.authority.append(dns.rrset.from_text(name, TTL, "IN", "SOA", soa))
        return None


@asynccontextmanager
async def name_server(zone: Mapping[str, Sequence[str] | Fault]) -> AsyncIterator[NameServer]:
    """A running server; UDP and TCP have the same port."""
    loop = asyncio.get_running_loop()
    while True:
        transport, server = await loop.create_datagram_endpoint(lambda: NameServer(zone), local_addr=("127.0.0.1", 0))
        try:
            server.tcp = await asyncio.start_server(server.stream, "127.0.0.1", server.port)
            break
        except OSError:  # somebody else has the port for TCP
            transport.close()
    try:
        yield server
    finally:
        server.tcp.close()
        await server.tcp.wait_closed()
        transport.close()
