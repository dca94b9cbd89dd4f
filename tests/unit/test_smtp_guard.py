"""The guard lets a tenant's host lead to the public Internet and nowhere else."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.errors import AccountProblem, Code
from transports.smtp.guard import FORBIDDEN, Guard, globally_routable, host_name, literal_address

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
