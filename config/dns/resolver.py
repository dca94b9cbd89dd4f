"""The seam to the DNS: one question, one answer. What cannot be learned is an exception, never an empty answer."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Kind(StrEnum):
    """The types of records that are asked for."""

    A = "A"
    AAAA = "AAAA"
    MX = "MX"
    TXT = "TXT"


class Unanswered(Exception):
    """Nobody answered in time, or not properly (SERVFAIL, refused, malformed): whether there are records is unknown."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the DNS has under a name. No ``values``: it certainly has no record of this type (RFC 2308).

    A value is the joined strings of a TXT record, ``preference host`` of an MX record, or an address. ``aliases`` are
    the names that CNAME records led to, the last of which has the values. ``exists`` is false if the last name
    does not exist at all. ``ttl`` and ``age`` are seconds: how long the answer may be kept, and how long it was.
    """

    values: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    exists: bool = True
    ttl: float = 0.0
    age: float = 0.0


class Resolver(Protocol):
    """Asks the DNS. Safe to call concurrently."""

    async def query(self, name: str, kind: Kind) -> Answer:
        """The records of a name (A-labels, lower case, no final dot; always absolute: no search list is used).

        Raises:
            Unanswered: it is not known what there is.
        """
        ...
