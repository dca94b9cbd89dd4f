"""The guard against server-side request forgery: which addresses and ports a tenant's host may lead to.

A host is resolved once, *all* its addresses are judged, and the connection goes to a judged address; the name is kept
for SNI and verification only. So a name that changes its answer between check and use (DNS rebinding) gains nothing.
"""

import ipaddress
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

import idna

from transports.errors import AccountProblem, Code

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host (A-labels) and port to textual addresses in order of preference; raises ``socket.gaierror``."""

FORBIDDEN: tuple[tuple[str, str], ...] = (
    # IANA IPv4 Special-Purpose Address Registry (RFC 6890) unless said otherwise
    ("0.0.0.0/8", "this network, RFC 791"),
    ("10.0.0.0/8", "private, RFC 1918"),
    ("100.64.0.0/10", "shared by carriers, RFC 6598; also Alibaba's metadata service"),
    ("127.0.0.0/8", "loopback, RFC 1122"),
    ("168.63.129.16/32", "Azure's wire server: a public number that answers inside the cloud only"),
    ("169.254.0.0/16", "link-local, RFC 3927; the metadata service of most clouds"),
    ("172.16.0.0/12", "private, RFC 1918"),
    ("192.0.0.0/24", "IETF protocol assignments, RFC 6890; also Oracle's metadata service"),
    ("192.0.2.0/24", "documentation, RFC 5737"),
    ("192.31.196.0/24", "AS112, RFC 7535"),
    ("192.52.193.0/24", "AMT, RFC 7450"),
    ("192.88.99.0/24", "6to4 relays, RFC 7526"),
    ("192.168.0.0/16", "private, RFC 1918"),
    ("192.175.48.0/24", "AS112, RFC 7534"),
    ("198.18.0.0/15", "benchmarks, RFC 2544"),
    ("198.51.100.0/24", "documentation, RFC 5737"),
    ("203.0.113.0/24", "documentation, RFC 5737"),
    ("224.0.0.0/4", "multicast, RFC 5771"),
    ("240.0.0.0/4", "reserved and broadcast, RFC 1112"),
    # IPv6: only 2000::/3 is assigned for global unicast; within it:
    ("2001::/23", "IETF protocol assignments incl. Teredo, RFC 4380: carries an IPv4 address"),
    ("2001:db8::/32", "documentation, RFC 3849"),
    ("2002::/16", "6to4, RFC 3056: carries an IPv4 address"),
    ("2620:4f:8000::/48", "AS112, RFC 7534"),
    ("3fff::/20", "documentation, RFC 9637"),
)
_FORBIDDEN = tuple(ipaddress.ip_network(network) for network, _ in FORBIDDEN)
_GLOBAL_V6 = ipaddress.ip_network("2000::/3")
# The WHATWG URL rule: a host whose last label looks like a number is meant as an IPv4 address, in whatever notation
# (2130706433, 0x7f.1, 0177.0.0.1); only the plain dotted form is taken.
_NUMERIC_HOST = re.compile(r"(?:.*\.)?(?:\d+|0x[0-9a-f]*)\.?", re.IGNORECASE | re.DOTALL)
_HOST_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")


def globally_routable(address: Address) -> bool:
    """True for an address of the public Internet.

    IPv6 forms that carry an IPv4 address (mapped, NAT64 ``64:ff9b::/96``, 6to4, Teredo) are not; an operator behind
    NAT64 lists the prefix among the allowed networks.
    """
    if address.version == 6 and address not in _GLOBAL_V6:
        return False
    return not any(address in network for network in _FORBIDDEN if network.version == address.version)


def literal_address(host: str) -> Address | None:
    """The address when ``host`` is a plain IP literal (``192.0.2.1``, ``2001:db8::1``, ``[2001:db8::1]``), else None.

    Raises ``AccountProblem(ADDRESS_FORBIDDEN)`` for numeric notations that only some resolvers understand and for
    zone identifiers.
    """
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        if ":" in bare or _NUMERIC_HOST.fullmatch(bare):
            raise AccountProblem(Code.ADDRESS_FORBIDDEN, "numeric host", transport="smtp") from None
        return None
    if address.version == 6 and address.scope_id is not None:
        raise AccountProblem(Code.ADDRESS_FORBIDDEN, "zone identifier", transport="smtp")
    return address


def host_name(host: str) -> str:
    """``host`` as A-labels without a final dot, fit for resolver, SNI and verification (RFC 5891).

    Raises ``AccountProblem``: ``NAME_NOT_FOUND`` for what cannot be a host name, ``ADDRESS_FORBIDDEN`` for what UTS 46
    makes an address of: it knows digits and dots of many scripts.
    """
    bare = host.strip()
    try:
        name = bare.lower() if _HOST_NAME.fullmatch(bare) else idna.encode(bare, uts46=True).decode("ascii")
    except idna.IDNAError:
        raise AccountProblem(Code.NAME_NOT_FOUND, "not a host name", transport="smtp") from None
    if _NUMERIC_HOST.fullmatch(name):
        raise AccountProblem(Code.ADDRESS_FORBIDDEN, "numeric host", transport="smtp")
    return name.removesuffix(".")


@dataclass(frozen=True, slots=True)
class Guard:
    """Judges where a tenant's host leads. ``allow_networks`` are exempt from both rules: address and port."""

    ports: tuple[int, ...] = (25, 465, 587, 2525)
    allow_networks: tuple[Network, ...] = ()

    def check(self, addresses: Iterable[Address], port: int) -> None:
        """Passes only when *every* address may be connected to at ``port``.

        Raises ``AccountProblem`` with ``ADDRESS_FORBIDDEN`` or ``PORT_FORBIDDEN``; the detail does not tell the
        address, so that a tenant cannot read our network from it.
        """
        others = [address for address in addresses if not self._allowed(address)]
        if not all(globally_routable(address) for address in others):
            raise AccountProblem(Code.ADDRESS_FORBIDDEN, transport="smtp")
        if others and port not in self.ports:
            raise AccountProblem(Code.PORT_FORBIDDEN, f"port {port}", transport="smtp")

    def _allowed(self, address: Address) -> bool:
        return any(address in network for network in self.allow_networks if network.version == address.version)
