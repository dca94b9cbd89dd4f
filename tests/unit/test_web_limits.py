"""How often somebody may ask, and whose request it is."""

import ipaddress

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from config.web.clients import UNKNOWN, client_address
from config.web.limits import Limit, address_key


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_a_burst_is_allowed_and_then_the_rate():
    clock = Clock()
    limit = Limit(60, clock=clock, burst=3)
    assert [limit.take("a") for _ in range(4)] == [0, 0, 0, 1]
    clock.seconds += 1
    assert [limit.take("a") for _ in range(2)] == [0, 1]


def test_it_says_when_to_come_back_and_that_is_true():
    clock = Clock()
    limit = Limit(6, clock=clock, burst=1)
    limit.take("a")
    assert limit.take("a") == 10
    clock.seconds += 9.9
    assert limit.take("a") == 1
    clock.seconds += 0.1
    assert limit.take("a") == 0


def test_asking_in_vain_costs_nothing():
    clock = Clock()
    limit = Limit(60, clock=clock, burst=1)
    for _ in range(50):
        limit.take("a")
    clock.seconds += 1
    assert limit.take("a") == 0


def test_keys_do_not_share_a_bucket():
    limit = Limit(60, clock=Clock(), burst=1)
    assert [limit.take(key) for key in ("a", "b", "a", "b")] == [0, 0, 1, 1]


def test_a_long_pause_gives_one_burst_and_not_more():
    clock = Clock()
    limit = Limit(60, clock=clock, burst=2)
    limit.take("a")
    clock.seconds += 1e6
    assert [limit.take("a") for _ in range(3)] == [0, 0, 1]


def test_there_are_never_more_keys_than_said_and_the_quietest_goes():
    limit = Limit(60, clock=Clock(), burst=1, most_keys=3)
    for key in ("a", "b", "c", "a", "d"):
        limit.take(key)
    assert len(limit) == 3
    assert limit.take("a") == 1  # still known
    assert limit.take("b") == 0  # forgotten


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 30)), max_size=200))
def test_nobody_gets_more_than_burst_and_rate(steps):
    clock = Clock()
    began, limit = clock.seconds, Limit(12, clock=clock, burst=4)
    taken = dict.fromkeys("abc", 0)
    for key, pause in steps:
        clock.seconds += pause
        taken[key] += limit.take(key) == 0
    most = 4 + (clock.seconds - began) * 12 / 60 + 1e-6
    assert all(count <= most for count in taken.values())


def test_an_ipv6_network_is_one_client():
    assert address_key("2001:db8:1:2:3::4") == address_key("2001:db8:1:2:ffff::1")
    assert address_key("2001:db8:1:2::1") != address_key("2001:db8:1:3::1")
    assert address_key("192.0.2.1") != address_key("192.0.2.2")
    assert address_key("::ffff:192.0.2.1") == "192.0.2.1"
    assert address_key(UNKNOWN) == UNKNOWN


PROXIES = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.7"], "192.0.2.1"),
        ("10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.9", "198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.9, 198.51.100.7, 10.2.3.4"], "198.51.100.7"),
        ("fd00::1", ["203.0.113.9, 2001:db8::1"], "2001:db8::1"),
        ("::ffff:10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["[2001:db8::1]"], "2001:db8::1"),
        ("10.0.0.1", ["198.51.100.7:4711"], "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.9, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9, "], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.2"], "10.0.0.2"),
        (None, ["198.51.100.7"], UNKNOWN),
    ],
)
def test_the_last_hop_that_nobody_trusted_vouches_for_is_the_client(peer, forwarded, client):
    assert client_address(peer, forwarded, PROXIES) == client


@given(st.lists(st.ip_addresses(v=4).map(str), max_size=4), st.ip_addresses(v=4).map(str))
def test_what_a_client_writes_itself_never_matters(made_up, client):
    trusted = (ipaddress.ip_network("10.0.0.1/32"),)
    assume(client != "10.0.0.1")
    assert client_address("10.0.0.1", [", ".join([*made_up, client])], trusted) == client
