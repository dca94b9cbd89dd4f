"""SPF of a sender's domain: is the record right, and does it cover the server that the mail is handed to?"""

import ipaddress
from collections.abc import Iterable
from typing import Final

from config.dns.lookups import Lookups
from config.dns.report import Finding, FindingCode, State, summed_up
from config.dns.resolver import Unanswered
from config.dns.spf_match import ending, result_for
from config.dns.spf_record import Result, is_spf
from config.dns.spf_walk import Node, SpfWalk
from transports.smtp.guard import Address, globally_routable

_MICROSOFT: Final = "spf.protection.outlook.com"
_GOOGLE: Final = "_spf.google.com"
# Submission servers of providers whose mail leaves by other machines, and the entry that stands for those.
_PROVIDERS: Final = (
    ("office365.us", "spf.protection.office365.us"),
    ("partner.outlook.cn", "spf.protection.partner.outlook.cn"),
    ("office365.com", _MICROSOFT),
    ("office.com", _MICROSOFT),
    ("outlook.com", _MICROSOFT),
    ("mx.microsoft", _MICROSOFT),
    ("gmail.com", _GOOGLE),
    ("googlemail.com", _GOOGLE),
    ("google.com", _GOOGLE),
)


async def check_spf(domain: str, *, lookups: Lookups, server: str | None) -> Finding:
    """What there is to say; ``server`` is the host name (A-labels) or address of the configured SMTP server."""
    try:
        records = [text for text in (await lookups.txt(domain)).values if is_spf(text)]
    except Unanswered:
        return Finding.of(State.UNKNOWN, FindingCode.SPF_UNANSWERED, domain=domain)
    if not records:
        return Finding.of(State.MISSING, FindingCode.SPF_MISSING, domain=domain)
    if len(records) > 1:
        several = Finding.of(State.PROBLEM, FindingCode.SPF_SEVERAL, domain=domain, count=len(records))
        return summed_up([several], records)
    walk = SpfWalk(lookups)
    node = await walk.follow(domain, records[0])
    findings = [*walk.findings]
    if node is not None:
        findings += _remarks(node)
        # An error holds for every server, so there is nothing to compare.
        if not any(finding.state is State.PROBLEM for finding in findings):
            findings += await _coverage(node, walk, lookups, server)
    return summed_up(findings, records)


def _remarks(node: Node) -> Iterable[Finding]:
    if ending(node) is Result.NEUTRAL:
        yield Finding.of(State.WARNING, FindingCode.SPF_NO_VERDICT)
    if node.record.behind_all is not None:
        yield Finding.of(State.WARNING, FindingCode.SPF_AFTER_ALL, term=node.record.behind_all)


async def _coverage(node: Node, walk: SpfWalk, lookups: Lookups, server: str | None) -> list[Finding]:
    """How the server stands in the record; nothing where only an unanswered branch keeps that from being known."""
    if server is None:
        return [Finding.of(State.OK, FindingCode.SPF_VALID)]
    provider = next((entry for name, entry in _PROVIDERS if f".{server}".endswith(f".{name}")), None)
    if provider is not None and provider in walk.included:
        return [Finding.of(State.OK, FindingCode.SPF_COVERS_PROVIDER, server=server, include=provider)]
    addresses = await _addresses(server, lookups)
    results = {result_for(address, node) for address in addresses}
    if Result.UNKNOWN in results and walk.unanswered:
        return []
    if not results:
        found = Finding.of(State.UNKNOWN, FindingCode.SPF_SERVER_UNRESOLVED, server=server)
    elif results == {Result.PASS}:
        found = Finding.of(State.OK, FindingCode.SPF_COVERS, server=server)
    elif Result.UNKNOWN in results:
        found = Finding.of(State.UNKNOWN, FindingCode.SPF_UNDECIDED, server=server, term=walk.undecided)
    elif Result.PASS in results:
        found = Finding.of(State.WARNING, FindingCode.SPF_PARTLY_LISTED, server=server)
    elif provider is not None:
        found = Finding.of(State.WARNING, FindingCode.SPF_PROVIDER_MISSING, server=server, include=provider)
    else:
        found = Finding.of(State.WARNING, FindingCode.SPF_NOT_LISTED, server=server)
    return [found]


async def _addresses(server: str, lookups: Lookups) -> tuple[Address, ...]:
    """Those on the public Internet: what the record says about others would tell where names inside a network lead."""
    try:
        found: tuple[Address, ...] = (ipaddress.ip_address(server),)
    except ValueError:
        try:
            found = await lookups.addresses(server)
        except Unanswered:
            found = ()
    return tuple(address for address in found if globally_routable(address))
