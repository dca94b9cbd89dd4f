"""MX of a sender's domain: do replies and failure notices arrive anywhere (RFC 5321 §5.1, RFC 7505)?"""

from typing import Final

from config.dns.lookups import Lookups
from config.dns.report import Finding, FindingCode, State, summed_up
from config.dns.resolver import Unanswered

_NULL: Final = "."


async def check_mx(domain: str, *, lookups: Lookups) -> tuple[Finding, bool | None]:
    """What there is to say, and whether the domain exists at all, ``None`` where nobody answered."""
    try:
        answer, _ = await lookups.mx(domain)
        if not answer.exists:
            return Finding.of(State.PROBLEM, FindingCode.MX_NO_SUCH_DOMAIN, domain=domain), False
        if answer.values:
            hosts = [value.partition(" ")[2] for value in answer.values]
            if set(hosts) == {_NULL}:
                found = Finding.of(State.PROBLEM, FindingCode.MX_NULL, domain=domain)
            elif _NULL in hosts:
                found = Finding.of(State.WARNING, FindingCode.MX_NULL_MIXED, domain=domain)
            else:
                found = Finding.of(State.OK, FindingCode.MX_FOUND, host=hosts[0])
            return summed_up([found], answer.values), True
        if await lookups.addresses(domain):
            return Finding.of(State.WARNING, FindingCode.MX_IMPLICIT, domain=domain), True
        return Finding.of(State.MISSING, FindingCode.MX_MISSING, domain=domain), True
    except Unanswered:
        return Finding.of(State.UNKNOWN, FindingCode.MX_UNANSWERED, domain=domain), None
