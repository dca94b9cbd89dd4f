"""What a followed SPF record says about an address (RFC 7208 §4.6.2, §5, §6.1). Pure.

A term of which nobody knows whether it fits makes the result unknown, unless the rest of the record comes to the
same result anyway.
"""

import ipaddress

from config.dns.spf_record import Mechanism, Result, Term
from config.dns.spf_walk import Hosts, Node
from transports.smtp.guard import Address


def result_for(address: Address, node: Node) -> Result:
    """The result of the record for mail that comes from this address."""
    result = _without_match(address, node)
    for place in reversed(range(len(node.record.terms))):
        term = node.record.terms[place]
        fits = _fits(address, term, node.branches.get(place))
        if fits or (fits is None and result is term.result):
            result = term.result
        elif fits is None:
            result = Result.UNKNOWN
    return result


def ending(node: Node) -> Result | None:
    """What the record says about servers that it does not list, redirects followed; ``None`` if that is unknown."""
    if node.record.verdict is not None:
        return node.record.verdict
    if node.record.redirect is None:
        return Result.NEUTRAL
    target = node.branches.get(-1)
    return ending(target) if isinstance(target, Node) else None


def _without_match(address: Address, node: Node) -> Result:
    if node.record.redirect is None:
        return Result.NEUTRAL
    target = node.branches.get(-1)
    return result_for(address, target) if isinstance(target, Node) else Result.UNKNOWN


def _fits(address: Address, term: Term, branch: Node | Hosts | None) -> bool | None:
    if term.kind is Mechanism.ALL:
        return True
    if term.network is not None:
        return address.version == term.network.version and address in term.network
    if isinstance(branch, Hosts):
        return _among(address, term, branch)
    if isinstance(branch, Node):
        result = result_for(address, branch)
        return None if result is Result.UNKNOWN else result is Result.PASS
    return None


def _among(address: Address, term: Term, hosts: Hosts) -> bool | None:
    length = term.lengths[0 if address.version == 4 else 1]
    around = ipaddress.ip_network((address, length), strict=False)
    if any(host.version == address.version and host in around for host in hosts.addresses):
        return True
    return False if hosts.complete else None
