"""The guard lets a tenant's host lead to the public Internet and nowhere else."""

import asyncio
import ipaddress
import ssl
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.errors import AccountProblem, Code, DeliveryError
from transports.smtp.dial import find_addresses
from transports.smtp.guard import FORBIDDEN, Guard, globally_routable, host_name, literal_address
from transports.smtp.settings import SmtpContext

PUBLIC = ("8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001:82a::200e")
INNER = (
    "0.0.0.0", "0.1.2.3", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254",
    "168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1",
    "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255",
    "240.0.0.1", "255.255.255.255",
    "::", "::1", "::ffff:8.8.8.8", "::ffff:127.0.0.1", "::8.8.8.8", "64:ff9b::808:808", "64:ff9b::a00:1",
    "64:ff9b:1::1", "100::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "2002:7f00:1::1",
    "2002:808:808::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1",
)  # fmt: skip


def problem(guard: Guard, *addresses: str, port: int = 587) -> Code | None:
    try:
        guard.check([ipaddress.ip_address(address) for address in addresses], port)
    except AccountProblem as error:
        told, code = str(error), error.code
    else:
        return None
    assert not any(address in told for address in addresses)
    return code


@pytest.mark.parametrize("address", INNER)
def test_no_address_that_is_not_public_passes(address: str) -> None:
    assert problem(Guard(), address) is Code.ADDRESS_FORBIDDEN


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_pass(address: str) -> None:
    assert problem(Guard(), address) is None


@given(st.ip_addresses())
def test_whatever_the_standard_library_calls_not_global_is_forbidden(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if not address.is_global or address.is_multicast or address.is_reserved:
        assert not globally_routable(address)


@given(st.sampled_from(FORBIDDEN), st.integers(min_value=0))
def test_every_address_of_a_forbidden_network_is_forbidden(row: tuple[str, str], offset: int) -> None:
    network = ipaddress.ip_network(row[0])
    assert not globally_routable(network[offset % network.num_addresses])


def test_one_forbidden_address_among_public_ones_refuses_them_all() -> None:
    assert problem(Guard(), "8.8.8.8", "10.0.0.1", "2606:4700:4700::1111") is Code.ADDRESS_FORBIDDEN


def test_only_the_ports_of_mail_are_allowed() -> None:
    assert [port for port in (22, 25, 80, 465, 587, 2525, 6379) if problem(Guard(), "8.8.8.8", port=port) is None] == [
        25, 465, 587, 2525,
    ]  # fmt: skip
    assert problem(Guard(), "8.8.8.8", port=6379) is Code.PORT_FORBIDDEN


def test_allowed_networks_are_exempt_from_both_rules_and_nothing_else_is() -> None:
    guard = Guard(allow_networks=(ipaddress.ip_network("10.0.0.0/24"), ipaddress.ip_network("fd00:1::/64")))
    assert problem(guard, "10.0.0.7", "fd00:1::7", port=1025) is None
    assert problem(guard, "10.0.1.7") is Code.ADDRESS_FORBIDDEN
    assert problem(guard, "::ffff:10.0.0.7") is Code.ADDRESS_FORBIDDEN
    assert problem(guard, "10.0.0.7", "10.0.1.7") is Code.ADDRESS_FORBIDDEN
    assert problem(guard, "10.0.0.7", "8.8.8.8", port=1025) is Code.PORT_FORBIDDEN


@pytest.mark.parametrize(
    "host",
    [
        "2130706433", "0x7f000001", "0x7F.1", "0177.0.0.1", "127.1", "127.0.0.1.", "0", "1.2.3", "1.2.3.4.5",
        "010.0.0.1", "example.0x1", "[::1", "fe80::1%eth0", "::ffff:127.0.0.1:25", "256.1.1.1", "0x",
    ],
)  # fmt: skip
def test_numeric_notations_that_only_some_resolvers_know_are_refused(host: str) -> None:
    with pytest.raises(AccountProblem) as caught:
        literal_address(host)
    assert caught.value.code is Code.ADDRESS_FORBIDDEN


def test_plain_literals_are_taken_and_names_are_not_literals() -> None:
    assert str(literal_address("8.8.8.8")) == "8.8.8.8"
    assert str(literal_address("[2606:4700::1]")) == str(literal_address("2606:4700::1")) == "2606:4700::1"
    assert literal_address("smtp.example.com") is None
    assert literal_address("0x.example") is None


def test_names_become_a_labels_without_a_final_dot() -> None:
    assert host_name("SMTP.Example.com.") == "smtp.example.com"
    assert host_name("münchen.example") == "xn--mnchen-3ya.example"
    for bad in ("", ".", "a..b", "a b", "a\r\nb", "x" * 64 + ".example", "a/b", "user@host"):
        with pytest.raises(AccountProblem):
            host_name(bad)


@pytest.mark.parametrize(
    "host",
    [
        "\uff11\uff12\uff17\uff0e\uff10\uff0e\uff10\uff0e\uff11", "127\u30020\u30020\u30021",
        "127\uff610\uff610\uff611\u3002",
        "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460", "0\uff587f.1", "2130706\uff14\uff13\uff13", "mail.\uff11",
        "127.0.0.1",
    ],
)  # fmt: skip
def test_a_name_that_idna_makes_an_address_of_is_refused(host: str) -> None:
    with pytest.raises(AccountProblem) as caught:
        host_name(host)
    assert caught.value.code is Code.ADDRESS_FORBIDDEN


def test_only_one_final_dot_belongs_to_a_name() -> None:
    for bad in ("example.com..", "..", "example.com\u3002\u3002", ".example.com"):
        with pytest.raises(AccountProblem) as caught:
            host_name(bad)
        assert caught.value.code is Code.NAME_NOT_FOUND
    assert host_name("example.com\u3002") == "example.com"


V4 = st.one_of(
    st.sampled_from([ipaddress.IPv4Network(network) for network, _ in FORBIDDEN if "." in network]).flatmap(
        lambda network: st.integers(0, network.num_addresses - 1).map(network.__getitem__)
    ),
    st.ip_addresses(v=4).filter(lambda address: not address.is_global or address.is_multicast),
)
V6 = st.one_of(
    st.sampled_from([ipaddress.IPv6Network(network) for network, _ in FORBIDDEN if ":" in network]).flatmap(
        lambda network: st.integers(0, network.num_addresses - 1).map(network.__getitem__)
    ),
    st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address).filter(lambda address: int(address) >> 125 != 1),
)


def _of_v4(address: ipaddress.IPv4Address) -> Iterator[str]:
    number, dotted = int(address), str(address)
    a, b, c, d = address.packed
    yield from (dotted, f"[{dotted}]", f"{dotted}.", str(number), hex(number), f"0{number:o}")
    yield from (f"{a:#x}.{b:#x}.{c:#x}.{d:#x}", f"0{a:o}.0{b:o}.0{c:o}.0{d:o}", f"{a:03}.{b}.{c}.{d}")
    yield from (f"{a}.{number & 0xFFFFFF}", f"{a}.{b}.{number & 0xFFFF}")
    for dot in "\u3002\uff0e\uff61":
        yield dotted.replace(".", dot)
    wide = "".join(chr(0xFF10 + int(digit)) if digit.isdigit() else digit for digit in dotted)
    yield from (wide, wide.replace(".", "\uff0e"), f"{wide}.")
    high, low = number >> 16, number & 0xFFFF
    for carrier in ("::", "::ffff:", "::FFFF:", "0:0:0:0:0:ffff:", "::ffff:0:", "64:ff9b::", "64:ff9b:1::"):
        yield from (f"{carrier}{dotted}", f"[{carrier}{high:x}:{low:x}]")
    yield from (f"2002:{high:x}:{low:x}::1", f"2001:0:{high:x}:{low:x}::1", f"fe80::5efe:{dotted}")


def _of_v6(address: ipaddress.IPv6Address) -> Iterator[str]:
    tail = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    head = address.exploded.rsplit(":", 2)[0]
    yield from (str(address), address.exploded, address.exploded.upper(), f"[{address}]", f"{head}:{tail}")
    yield from (f"{address}%eth0", f"[{address}%1]", f"{address}.")


@pytest.fixture(scope="module")
def loop_runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@given(st.one_of(V4, V6))
def test_whatever_is_not_global_unicast_is_refused_in_every_notation(
    loop_runner: asyncio.Runner, address: ipaddress.IPv4Address | ipaddress.IPv6Address
) -> None:
    """Behind a resolver that reads every notation, and one that knows it under a name."""

    async def obliging(host: str, port: int) -> Sequence[str]:
        return [str(address)]

    context = SmtpContext(TLS, Guard(), "client.example.org", resolver=obliging)

    async def find(host: str) -> None:
        await find_addresses(host, 25, context, asyncio.get_running_loop().time() + 10)

    hosts = _of_v4(address) if isinstance(address, ipaddress.IPv4Address) else _of_v6(address)
    for host in ("name.example", *hosts):
        with pytest.raises(DeliveryError) as caught:
            loop_runner.run(find(host))
        assert caught.value.code in (Code.ADDRESS_FORBIDDEN, Code.NAME_NOT_FOUND), host
        assert str(address) not in str(caught.value)


TLS = ssl.create_default_context()
