"""Where a tenant's host must never lead, tried through whole sends and checks: nothing is connected to, nothing told.

Two witnesses: listeners on loopback, and the interpreter's own account of every ``connect()``.
"""

import asyncio
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from tests.connects import connects
from tests.fakes.nameserver import nameserver
from tests.fakes.smtpd import FakeSmtpd
from tests.fakes.smtpd_client import mail, transport
from tests.fixtures_tls import Certificate, TestCertificates
from transports.errors import AccountProblem, Code, DeliveryError, Unreachable
from transports.protocol import Probe, Stage
from transports.smtp.guard import Guard, Resolver
from transports.smtp.resolver import system_resolver
from transports.smtp.settings import Security

LITERALS = (
    "127.0.0.1", "127.1.2.3", "[127.0.0.1]", "0.0.0.0", "0.0.0.1", "10.0.0.1", "172.16.0.1", "172.31.255.255",
    "192.168.1.1", "169.254.169.254", "169.254.0.1", "100.64.0.1", "100.100.100.200", "192.0.0.192", "168.63.129.16",
    "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1", "224.0.0.1", "240.0.0.1",
    "255.255.255.255",
    "::", "::1", "[::1]", "0:0:0:0:0:0:0:1", "0000:0000:0000:0000:0000:0000:0000:0001", "::127.0.0.1", "::7f00:1",
    "::ffff:127.0.0.1", "::FFFF:127.0.0.1", "::ffff:7f00:1", "0:0:0:0:0:ffff:127.0.0.1", "[::ffff:7f00:0001]",
    "::ffff:0:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "::ffff:8.8.8.8",
    "64:ff9b::a9fe:a9fe", "64:ff9b::169.254.169.254", "64:ff9b::7f00:1", "64:ff9b:1::1", "64:ff9b:1:ffff::a9fe:a9fe",
    "2002:7f00:1::", "2002:7f00:0001::1", "2002:a9fe:a9fe::", "2001::1", "2001:0:7f00:1::",
    "2001:0:4136:e378:8000:63bf:80ff:fffe", "2001:db8::1", "2001:10::1", "2001:20::1", "3fff::1", "100::1", "5f00::1",
    "fc00::1", "fd00::1", "fd00:ec2::254", "fe80::1", "fe80::1%lo", "[fe80::1%25lo]", "fe80::5efe:7f00:1", "fec0::1",
    "fecf::1", "ff02::1", "ff0e::1", "4000::1", "e000::1",
)  # fmt: skip
NOTATIONS = (
    "2130706433", "2852039166", "0x7f000001", "0X7F000001", "0x7f.0.0.1", "0x7f.1", "0177.0.0.1", "0177.1",
    "017700000001", "127.1", "127.0.1", "0x7f.0x0.0x0.0x1", "127.0.0.01", "127.0.0.0x1", "0", "00", "0x0", "1",
    "127.0.0.1.", "127.0.0.1..", "127.1.", "2130706433.", "[127.0.0.1.]", "256.256.256.256", "127.0.0.1.0x1",
    " 127.0.0.1", "127.0.0.1\n", "127.0.0.1\x00", "127.0.0.1%00", "127.0.0.1:25", "127.0.0.1/", "127%2e0%2e0%2e1",
    "\uff11\uff12\uff17\uff0e\uff10\uff0e\uff10\uff0e\uff11", "\uff11\uff12\uff17.0.0.1",
    "127\u30020\u30020\u30021", "127\uff0e0\uff0e0\uff0e1", "127\uff610\uff610\uff611", "127\u30021", "127.0.0.1\u3002",
    "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460", "\u0661\u0662\u0667.0.0.1", "\uff10x7f000001", "0\uff587f.1",
    "2130706\uff14\uff13\uff13", "127\u00ad.0.0.1", "12\u200b7.0.0.1", "\U0001d7cf\U0001d7d0\U0001d7d5.0.0.1",
    "::\uff11", "[::\uff11]", "::ffff:\uff11\uff12\uff17.0.0.1",
)  # fmt: skip
LOCAL_NAMES = ("localhost", "LOCALHOST", "localhost.", "localhost..", "\uff4cocalhost", "local\u00adhost")

FORBIDDEN = AccountProblem, Code.ADDRESS_FORBIDDEN
DETAILS = {"", "numeric host", "zone identifier", "not a host name"}
ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+|[0-9a-f]*:[0-9a-f]*:", re.IGNORECASE)


@pytest.fixture
async def listeners() -> AsyncIterator[tuple[int, list[str]]]:
    """A port where both loopback addresses listen, and who came."""
    came: list[str] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(str(writer.get_extra_info("sockname")[0]))
        writer.close()

    first = await asyncio.start_server(note, "127.0.0.1", 0)
    port = first.sockets[0].getsockname()[1]
    second = await asyncio.start_server(note, "::1", port)
    reader, writer = await asyncio.open_connection("::1", port)
    await reader.read()
    writer.close()
    assert came == ["::1"], "the witness sees what it should"
    came.clear()
    yield port, came
    first.close()
    second.close()


async def tried(
    host: str, port: int, tls: TestCertificates, resolver: Resolver, **changes: Any
) -> tuple[DeliveryError, Stage]:
    """The error of a send and the last stage of a check; neither tells anything but words of ours."""
    guard = changes.pop("guard", Guard(ports=(port,)))
    trying = transport(
        port,
        tls.client_context(),
        changes.pop("security", Security.STARTTLS),
        host=host,
        context_guard=guard,
        context_resolver=resolver,
        context_address_pause=0.0,
        **changes,
    )
    with pytest.raises(DeliveryError) as caught:
        await trying.send(mail(), 10)
    stages = await trying.check(10, probe=Probe("sender@example.org"))
    await trying.aclose()
    error, last = caught.value, stages[-1]
    assert (last.code, last.detail, last.ok) == (error.code, error.detail, False)
    if last.name == "address":
        assert error.detail in DETAILS
        assert not ADDRESS.search(f"{error} {error!r} {last!r}")
        assert last.facts == ()
    return error, last


async def test_no_notation_of_an_address_leads_inside(tls: TestCertificates, listeners: tuple[int, list[str]]) -> None:
    port, came = listeners
    with connects() as seen:
        outcomes = {host: await tried(host, port, tls, numbers) for host in (*LITERALS, *NOTATIONS)}
    assert {host: last.name for host, (_, last) in outcomes.items() if last.name != "address"} == {}
    codes = {error.code for error, _ in outcomes.values()}
    assert codes == {Code.ADDRESS_FORBIDDEN, Code.NAME_NOT_FOUND}
    assert {host for host in LITERALS if outcomes[host][0].code is not Code.ADDRESS_FORBIDDEN} <= {"[fe80::1%25lo]"}
    assert (came, seen) == ([], [])


async def numbers(host: str, port: int) -> Sequence[str]:
    """The system's own reading of numbers, lenient as it is, without asking any name server."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    return [str(each[4][0]) for each in found]


async def test_the_system_would_have_found_this_machine_behind_many_of_them() -> None:
    """Else the corpus proves nothing."""
    lenient = ("2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.1", "::ffff:127.0.0.1", "0", "::1")
    assert all([await numbers(host, 25) for host in lenient])


async def test_this_machine_s_own_names_do_not_lead_to_it(
    tls: TestCertificates, listeners: tuple[int, list[str]]
) -> None:
    port, came = listeners
    with connects() as seen:
        outcomes = {host: (await tried(host, port, tls, system_resolver))[0].code for host in LOCAL_NAMES}
    assert outcomes == dict.fromkeys(LOCAL_NAMES, Code.ADDRESS_FORBIDDEN) | {"localhost..": Code.NAME_NOT_FOUND}
    assert (came, seen) == ([], [])


def _zone() -> dict[str, list[list[str]]]:
    inner = [literal for literal in LITERALS if not set(literal) & set("[%")]
    zone = {f"n{number}.tenant.example": [[_record(literal)]] for number, literal in enumerate(inner)}
    public = ["A 8.8.8.8", "AAAA 2001:4860:4860::8888"]
    return zone | {
        "alias.tenant.example": [["CNAME inside.corp.example"]],
        "far.tenant.example": [["CNAME alias.tenant.example"]],
        "inside.corp.example": [["A 127.0.0.1", "AAAA ::1"]],
        "mixed.tenant.example": [[*public, "A 127.0.0.1"]],
        "reversed.tenant.example": [["A 127.0.0.1", *public]],
        "dual.tenant.example": [["A 8.8.8.8", "AAAA ::1"]],
        "mapped.tenant.example": [["A 8.8.8.8", "AAAA ::ffff:127.0.0.1"]],
        "xn--mnchen-3ya.example": [["A 127.0.0.1"]],
    }


def _record(literal: str) -> str:
    return f"{'AAAA' if ipaddress.ip_address(literal).version == 6 else 'A'} {literal}"


async def test_no_name_leads_inside_whatever_stands_behind_it(
    tls: TestCertificates, listeners: tuple[int, list[str]]
) -> None:
    """One inner address among public ones is enough, in whichever order and family; aliases change nothing."""
    port, came = listeners
    hosts = [*_zone(), "FAR.Tenant.Example.", "münchen.example"]
    async with nameserver(_zone()) as (server, resolver):
        with connects() as seen:
            errors = [(await tried(host, port, tls, resolver))[0] for host in hosts]
            nowhere = (await tried("nowhere.tenant.example", port, tls, resolver))[0]
    assert {host for host, error in zip(hosts, errors, strict=True) if (type(error), error.code) != FORBIDDEN} == set()
    assert (isinstance(nowhere, Unreachable), nowhere.code, nowhere.detail) == (True, Code.NAME_NOT_FOUND, "")
    assert len(hosts) > 60
    assert (came, seen) == ([], [])
    assert ("far.tenant.example", "A") in server.asked


@pytest.fixture
def named(tls: TestCertificates) -> Certificate:
    """The certificate for mail.example.net, of an authority that is trusted."""
    return tls.wrong_name


async def test_a_name_that_changes_its_answer_gains_nothing(tls: TestCertificates, named: Certificate) -> None:
    """Asked once for each connection: what was judged is what is connected to, and the next connection is judged anew.

    127.0.0.1 is allowed here and stands for the tenant's own server; ::1 is what must not be reached.
    """
    came: list[str] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append("::1")
        writer.close()

    with FakeSmtpd(tls=named.server_context(), implicit_tls=True) as smtpd:
        second = await asyncio.start_server(note, "::1", smtpd.port)
        zone = {"mail.example.net": [["A 127.0.0.1"], ["AAAA ::1"]]}
        guard = Guard(allow_networks=(ipaddress.ip_network("127.0.0.1/32"),))
        async with nameserver(zone) as (server, resolver):
            sending = transport(
                smtpd.port,
                tls.client_context(),
                Security.TLS,
                host="mail.example.net",
                context_guard=guard,
                context_resolver=resolver,
                context_address_pause=0.0,
            )
            with connects() as seen:
                assert (await sending.send(mail(), 10)).accepted == (0,)
                assert sorted(server.asked) == [("mail.example.net", "A"), ("mail.example.net", "AAAA")]
                assert [(stage.name, stage.code) for stage in await sending.check(10)] == [
                    ("address", Code.ADDRESS_FORBIDDEN)
                ]
            await sending.aclose()
        second.close()
    assert seen == ["127.0.0.1"]
    assert came == []
    assert len(smtpd.mails) == 1


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
async def test_tls_is_verified_by_name_although_an_address_is_connected_to(
    tls: TestCertificates, named: Certificate, security: Security
) -> None:
    serving = named.server_context()
    asked: list[str | None] = []

    def note(tls_object: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        asked.append(name)

    serving.sni_callback = note
    zone = {"mail.example.net": [["CNAME real.example.net"]], "real.example.net": [["A 127.0.0.1"]]}
    guard = Guard(allow_networks=(ipaddress.ip_network("127.0.0.0/8"),))
    with FakeSmtpd(tls=serving, implicit_tls=security is Security.TLS) as smtpd:
        async with nameserver(zone) as (_, resolver):
            options: dict[str, Any] = {"context_guard": guard, "context_resolver": resolver}
            good = transport(smtpd.port, tls.client_context(), security, host="Mail.Example.NET.", **options)
            with connects() as seen:
                stages = await good.check(10, probe=Probe("sender@example.org"))
                assert (await good.send(mail(), 10)).accepted == (0,)
            await good.aclose()
            other, last = await tried("real.example.net", smtpd.port, tls, resolver, guard=guard, security=security)
    assert all(stage.ok for stage in stages)
    assert dict(stages[2].facts)["subject"] == "mail.example.net"
    assert seen == ["127.0.0.1", "127.0.0.1"]
    assert asked[:2] == ["mail.example.net", "mail.example.net"]
    assert (other.code, last.name) == (Code.CERTIFICATE_NAME_MISMATCH, "tls")


async def test_a_resolver_that_never_answers_is_given_up_and_looks_like_no_name(tls: TestCertificates) -> None:
    async def never(host: str, port: int) -> Sequence[str]:
        return await asyncio.get_running_loop().create_future()

    async def nothing(host: str, port: int) -> Sequence[str]:
        return []

    begun = time.monotonic()
    silent, stage = await tried("mail.example.net", 25, tls, never, context_connect_timeout=0.2)
    assert time.monotonic() - begun < 3
    empty, other = await tried("mail.example.net", 25, tls, nothing)
    assert stage.name == other.name == "address"
    assert (silent.code, silent.detail) == (empty.code, empty.detail) == (Code.NAME_NOT_FOUND, "")


async def test_how_long_a_check_takes_does_not_tell_why_an_address_cannot_be_used(tls: TestCertificates) -> None:
    async def inner(host: str, port: int) -> Sequence[str]:
        if host == "nowhere.example":
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return ["10.0.0.1"]

    async def took(host: str, timeout: float = 5.0, **changes: Any) -> float:
        checking = transport(25, tls.client_context(), host=host, context_resolver=inner, **changes)
        begun = time.monotonic()
        (stage,) = await checking.check(timeout)
        assert (stage.name, stage.ok) == ("address", False)
        assert stage.seconds <= time.monotonic() - begun
        await checking.aclose()
        return stage.seconds

    guarded: dict[str, Any] = {"context_guard": Guard(), "context_address_pause": 0.15}
    for host in ("nowhere.example", "inner.example", "127.0.0.1", "not a name"):
        assert 0.14 <= await took(host, **guarded) < 1.0
    assert await took("nowhere.example", timeout=0.02, **guarded) < 0.14
    assert await took("nowhere.example", context_address_pause=5.0) < 1.0, "the platform's own relay hides nothing"
