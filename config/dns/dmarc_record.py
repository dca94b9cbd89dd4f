"""One DMARC record read as recipients do (RFC 9989 §4.7, §4.8). Pure, and never raises."""

import re
from dataclasses import dataclass
from typing import Final

from config.dns.tag_list import parse_tags

_VERSION: Final = re.compile(r"v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_RESEMBLING: Final = re.compile(r"\A\W*(?:v\s*=\s*)?dmarc1\b", re.IGNORECASE)
_POLICIES: Final = {"none", "quarantine", "reject"}
_REPORTS: Final = re.compile(r"mailto:[^@,\s]+@[^@,\s]+\.[^@,\s]+", re.IGNORECASE)
_POLICY: Final = re.compile("none|quarantine|reject", re.IGNORECASE)
_ALIGNMENT: Final = re.compile("[rs]", re.IGNORECASE)
_VALUES: Final = {
    "p": _POLICY,
    "sp": _POLICY,
    "np": _POLICY,
    "adkim": _ALIGNMENT,
    "aspf": _ALIGNMENT,
    "psd": re.compile("[ynu]", re.IGNORECASE),
    "t": re.compile("[yn]", re.IGNORECASE),
    "pct": re.compile("100|[0-9]{1,2}"),
}


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """What a record asks for, with the defaults filled in.

    ``policy`` is ``None`` where recipients apply no DMARC at all because of a mistake in the policies. ``subdomains``
    and ``missing`` are the policies ``sp`` and ``np`` if given. ``pct`` is a tag that the current standard dropped and
    older recipients still follow. ``ignored`` are the parts that cannot be read.
    """

    policy: str | None
    subdomains: str | None
    missing: str | None
    strict_dkim: bool
    testing: bool
    public_suffix: str
    reports: bool
    pct: int
    ignored: tuple[str, ...]

    def for_subdomain(self, *, exists: bool) -> str | None:
        """The policy for a domain below the one that has the record (RFC 9989 §4.10.1)."""
        if self.policy is None:
            return None
        found = self.subdomains if exists else self.missing or self.subdomains
        return found or self.policy


def is_dmarc(text: str) -> bool:
    """Whether a TXT record is a DMARC record: ``v=DMARC1`` comes first, in capitals."""
    return _VERSION.match(text) is not None


def resembles_dmarc(text: str) -> bool:
    """Whether somebody meant to publish a DMARC record."""
    return _RESEMBLING.match(text) is not None


def parse_dmarc(text: str) -> DmarcRecord:
    """Reads a record for which :func:`is_dmarc` holds."""
    tags = parse_tags(text)
    policies = {name: tags.get(name).lower() for name in ("p", "sp", "np") if name in tags.tags}
    reports = _REPORTS.search(tags.get("rua")) is not None
    policy = policies.get("p")
    if policy is None or not set(policies.values()) <= _POLICIES:
        # A record that asks for reports is taken to be about reports only.
        policy, policies = ("none" if reports else None), {}
    return DmarcRecord(
        policy=policy,
        subdomains=policies.get("sp"),
        missing=policies.get("np"),
        strict_dkim=tags.get("adkim").lower() == "s",
        testing=tags.get("t").lower() == "y",
        public_suffix=tags.get("psd").lower(),
        reports=reports,
        pct=int(tags.get("pct")) if _allowed("pct", tags.get("pct")) else 100,
        ignored=(*tags.broken, *(f"{tag}={value}" for tag, value in tags.tags.items() if not _allowed(tag, value))),
    )


def _allowed(tag: str, value: str) -> bool:
    return tag not in _VALUES or _VALUES[tag].fullmatch(value) is not None
