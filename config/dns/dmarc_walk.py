"""Finding the DMARC record that holds for a domain, and its organisational domain: the DNS Tree Walk of RFC 9989 §4.10.

RFC 9989 ("DMARC", May 2026) replaced RFC 7489 and with it the public suffix list: what the walk finds is in the DNS
itself, and there is no list to ship and to keep fresh. Recipients that still use such a list come to another result
only where a domain above the registered one publishes a record, or where one between it and the sender's does.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from config.dns.dmarc_record import DmarcRecord, is_dmarc, parse_dmarc
from config.dns.lookups import Lookups
from config.dns.resolver import Unanswered

MOST_QUERIES: Final = 8


@dataclass(frozen=True, slots=True)
class Place:
    """What stands at ``_dmarc.<domain>``: every TXT record, ``None`` if nobody answered."""

    domain: str
    texts: tuple[str, ...] | None

    @property
    def records(self) -> tuple[str, ...]:
        """Those that are DMARC records."""
        return tuple(text for text in self.texts or () if is_dmarc(text))

    @property
    def record(self) -> DmarcRecord | None:
        """The one that counts: several are none, and so is one without a policy."""
        if len(self.records) != 1:
            return None
        record = parse_dmarc(self.records[0])
        return record if record.policy is not None else None


@dataclass(frozen=True, slots=True)
class Walk:
    """``places`` are those looked at, the domain itself first. ``holder`` has the record that holds, if there is one.

    ``organization`` is the organisational domain: signatures of it and of all below it match the sender's domain.
    """

    places: tuple[Place, ...]
    holder: Place | None
    organization: str

    @property
    def start(self) -> Place:
        """The domain itself."""
        return self.places[0]

    @property
    def silent(self) -> Place | None:
        """The first place about which nobody answered."""
        return next((place for place in self.places if place.texts is None), None)


def names(domain: str) -> tuple[str, ...]:
    """The domains to look at, the given one first; at most eight, whatever is asked for (RFC 9989 §4.10)."""
    labels = domain.split(".")
    above = labels[1:] if len(labels) < MOST_QUERIES else labels[1 - MOST_QUERIES :]
    return (domain, *(".".join(above[start:]) for start in range(len(above))))


async def walk(domain: str, lookups: Lookups) -> Walk:
    """Looks at all places at once, which is faster than in turn and asks hardly more."""
    return concluded(await asyncio.gather(*(_look(name, lookups) for name in names(domain))))


def concluded(places: Sequence[Place]) -> Walk:
    """What the places mean (RFC 9989 §4.10.1 and §4.10.2). Pure."""
    seen = _up_to_boundary(places)
    start = seen[0]
    holding = [place for place in seen if place.record is not None]
    boundary = holding[-1] if holding and _suffix(holding[-1]) else None
    if boundary is None:
        organization = holding[-1].domain if holding else start.domain
    elif _suffix(boundary) == "n":
        organization = boundary.domain
    else:  # one label below the public suffix; the start itself where that is the suffix
        depth = boundary.domain.count(".") + 2
        organization = ".".join(start.domain.split(".")[-depth:])
    by_domain = {place.domain: place for place in holding}
    holder = by_domain.get(start.domain) or by_domain.get(organization) or boundary
    return Walk(tuple(seen), holder, organization)


def _up_to_boundary(places: Sequence[Place]) -> list[Place]:
    seen: list[Place] = []
    for place in places:
        seen.append(place)
        if _suffix(place):
            break
    return seen


def _suffix(place: Place) -> str:
    """``y`` or ``n`` if the record says whether this is a public suffix, else empty."""
    record = place.record
    return record.public_suffix if record is not None and record.public_suffix in ("y", "n") else ""


async def _look(domain: str, lookups: Lookups) -> Place:
    try:
        return Place(domain, (await lookups.txt(f"_dmarc.{domain}")).values)
    except Unanswered:
        return Place(domain, None)
