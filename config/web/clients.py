"""Whose request it is: the address of the client, through the proxies that are trusted and no others. Pure."""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import Final

from config.process import Network

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
UNKNOWN: Final = "unknown"
"""Where the connection has no address, such as one by a local socket."""

_WITH_PORT: Final = re.compile(r"(?:[0-9.]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")


def client_address(peer: str | None, forwarded_for: Iterable[str], trusted: Sequence[Network]) -> str:
    """The address of the last hop that no trusted proxy vouches for: from the right, the first that is not trusted.

    ``forwarded_for`` are the values of the ``X-Forwarded-For`` headers in their order. What a client writes there
    itself stands further left and is never looked at; an entry that is no address ends the search at the proxy.
    """
    current = _address(peer or "")
    if current is None:
        return UNKNOWN
    hops = [hop.strip() for value in forwarded_for for hop in value.split(",")]
    while hops and _within(current, trusted):
        further = _address(hops.pop())
        if further is None:
            break
        current = further
    return str(current)


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks if network.version == address.version)


def _address(text: str) -> Address | None:
    """The address, in brackets or not, with or without the port that some proxies add."""
    bare = text.rpartition(":")[0] if _WITH_PORT.fullmatch(text) else text
    try:
        address = ipaddress.ip_address(bare[1:-1] if bare[:1] == "[" and bare[-1:] == "]" else bare)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if address.version == 6 else None
    return mapped or address
