"""DMARC of a sender's domain: which policy holds, and what has to match for mail to pass (RFC 9989)."""

from collections.abc import Iterable
from typing import Final

from config.consumer_domains import is_consumer_domain
from config.dns.dkim import signs
from config.dns.dmarc_record import DmarcRecord, resembles_dmarc
from config.dns.dmarc_walk import Walk
from config.dns.report import Finding, FindingCode, State, summed_up

_WEAKER: Final = {"reject": "quarantine", "quarantine": "none", "none": "none"}
_NOT_VOUCHING: Final = frozenset(
    {FindingCode.SPF_MISSING, FindingCode.SPF_NOT_LISTED, FindingCode.SPF_PROVIDER_MISSING}
)


def judge_dmarc(domain: str, walk: Walk, *, exists: bool, spf: Finding, dkim: Finding) -> Finding:
    """What there is to say, given what was found about the others. Pure."""
    findings = [*_mistakes(walk)]
    if is_consumer_domain(domain):
        findings.append(Finding.of(State.PROBLEM, FindingCode.DMARC_CONSUMER, domain=domain))
    holder, record = walk.holder, walk.holder.record if walk.holder is not None else None
    if walk.start.texts is None or (record is None and not findings):
        findings.append(_nothing(domain, walk))
    elif holder is not None and record is not None:
        policy = record.policy if holder is walk.start else record.for_subdomain(exists=exists)
        policy = _WEAKER[policy or "none"] if record.testing else policy or "none"
        findings.append(_policy(domain, policy))
        findings += _remarks(domain, walk, record, policy)
        if policy != "none" and _nothing_vouches(spf, dkim):
            findings.append(Finding.of(State.WARNING, FindingCode.DMARC_AT_RISK, policy=policy, domain=domain))
    return summed_up(findings, _records(walk))


def _mistakes(walk: Walk) -> Iterable[Finding]:
    """What makes records useless, where a recipient looks for the one that holds."""
    for place in walk.places if walk.holder is not walk.start else ():
        name = f"_dmarc.{place.domain}"
        if len(place.records) > 1:
            yield Finding.of(State.PROBLEM, FindingCode.DMARC_SEVERAL, name=name, count=len(place.records))
        elif place.record is None and any(map(resembles_dmarc, place.texts or ())):
            yield Finding.of(State.PROBLEM, FindingCode.DMARC_INVALID, name=name, record="v=DMARC1; p=none;")


def _policy(domain: str, policy: str) -> Finding:
    if policy == "none":
        return Finding.of(State.WARNING, FindingCode.DMARC_MONITORING, domain=domain)
    return Finding.of(State.OK, FindingCode.DMARC_ENFORCED, domain=domain, policy=policy)


def _remarks(domain: str, walk: Walk, record: DmarcRecord, policy: str) -> Iterable[Finding]:
    if walk.holder is not None and walk.holder is not walk.start:
        yield Finding.of(State.OK, FindingCode.DMARC_INHERITED, domain=domain, holder=walk.holder.domain)
    for tag in record.ignored:
        yield Finding.of(State.WARNING, FindingCode.DMARC_TAG_IGNORED, tag=tag)
    if record.testing:
        yield Finding.of(State.WARNING, FindingCode.DMARC_TESTING)
    if record.pct < 100 and policy != "none":
        yield Finding.of(State.WARNING, FindingCode.DMARC_PARTIAL, pct=record.pct)
    if not record.reports:
        yield Finding.of(State.OK, FindingCode.DMARC_NO_REPORTS)
    if record.strict_dkim:
        yield Finding.of(State.OK, FindingCode.DMARC_STRICT, domain=domain)
    elif walk.silent is None:
        yield Finding.of(State.OK, FindingCode.DMARC_RELAXED, domain=domain, organization=walk.organization)


def _nothing_vouches(spf: Finding, dkim: Finding) -> bool:
    """Whether neither was seen to; what is unknown may vouch, and is not held against the domain."""
    found = (spf, *spf.notes)
    error = any(one.state is State.PROBLEM and one.code is not FindingCode.SPF_EVERYBODY for one in found)
    return not signs(dkim) and (error or any(one.code in _NOT_VOUCHING for one in found))


def _nothing(domain: str, walk: Walk) -> Finding:
    if walk.silent is not None:
        return Finding.of(State.UNKNOWN, FindingCode.DMARC_UNANSWERED, name=f"_dmarc.{walk.silent.domain}")
    record = f"v=DMARC1; p=none; rua=mailto:dmarc@{domain}"
    return Finding.of(State.MISSING, FindingCode.DMARC_MISSING, domain=domain, record=record)


def _records(walk: Walk) -> Iterable[str]:
    for place in walk.places:
        yield from (f"_dmarc.{place.domain}: {text}" for text in place.texts or () if resembles_dmarc(text))
