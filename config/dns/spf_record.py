"""The text of one SPF record taken apart (RFC 7208 §4.6, §5, §6, §12). Pure; nothing is looked up."""

import ipaddress
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from config.dns.names import referred_name
from transports.smtp.guard import Network

_VERSION: Final = re.compile(r"v=spf1(?: |\Z)", re.IGNORECASE)
_MODIFIER: Final = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=(.*)", re.DOTALL)
_MECHANISM: Final = re.compile(r"([+?~-]?)([A-Za-z][A-Za-z0-9_.-]*)(.*)", re.DOTALL)
_LENGTHS: Final = re.compile(r"(?:/(0|[1-9]\d?))?(?://(0|[1-9]\d{0,2}))?")
_WITH_LENGTHS: Final = re.compile(r"(.*?)((?:/\d+)?(?://\d+)?)", re.DOTALL)
_MACROS: Final = re.compile(r"(?:%\{[slodipvhcrtSLODIPVHCRT]\d{0,3}[Rr]?[-.+,/_=]*\}|%%|%_|%-|[!-$&-~])+")


class Mechanism(StrEnum):
    """The kinds of terms that name senders."""

    ALL = "all"
    INCLUDE = "include"
    A = "a"
    MX = "mx"
    PTR = "ptr"
    IP4 = "ip4"
    IP6 = "ip6"
    EXISTS = "exists"


class Result(StrEnum):
    """What a record says about an address; ``unknown`` is ours."""

    PASS = "pass"  # noqa: S105 - the word of the standard
    FAIL = "fail"
    SOFTFAIL = "softfail"
    NEUTRAL = "neutral"
    UNKNOWN = "unknown"


_QUALIFIERS: Final = {
    "": Result.PASS,
    "+": Result.PASS,
    "-": Result.FAIL,
    "~": Result.SOFTFAIL,
    "?": Result.NEUTRAL,
}


class SpfSyntaxError(ValueError):
    """``term`` cannot be read, which makes the whole record an error (RFC 7208 §4.6)."""

    def __init__(self, term: str) -> None:
        super().__init__("a term that cannot be read")
        self.term = term


@dataclass(frozen=True, slots=True)
class Term:
    """A mechanism. ``domain`` is ``None`` for the record's own; ``macros`` means that it depends on the mail.

    ``lengths`` are the prefix lengths for IPv4 and IPv6, ``network`` is that of ``ip4`` and ``ip6``.
    """

    text: str
    result: Result
    kind: Mechanism
    domain: str | None = None
    macros: bool = False
    lengths: tuple[int, int] = (32, 128)
    network: Network | None = None


@dataclass(frozen=True, slots=True)
class SpfRecord:
    """The mechanisms up to ``all``, in order, and what holds when none of them fits.

    ``redirect`` reads as an ``include`` here; it is ignored, and so ``None``, where there is an ``all``. ``behind_all``
    is the first mechanism that is never reached.
    """

    terms: tuple[Term, ...]
    redirect: Term | None = None
    behind_all: str | None = None

    @property
    def verdict(self) -> Result | None:
        """What ``all`` says about everybody else; ``None`` without one."""
        last = self.terms[-1] if self.terms else None
        return last.result if last is not None and last.kind is Mechanism.ALL else None


def is_spf(text: str) -> bool:
    """Whether a TXT record is an SPF record (RFC 7208 §4.5)."""
    return _VERSION.match(text) is not None


def parse(text: str) -> SpfRecord:
    """Reads a record for which :func:`is_spf` holds.

    Raises:
        SpfSyntaxError: for the first term that cannot be read.
    """
    terms: list[Term] = []
    modifiers: dict[str, Term] = {}
    for part in text[len("v=spf1") :].split(" "):
        if not part:
            continue
        if modifier := _MODIFIER.fullmatch(part):
            _keep_modifier(part, modifier[1].lower(), modifier[2], modifiers)
        else:
            terms.append(_mechanism(part))
    ends = next((index for index, term in enumerate(terms) if term.kind is Mechanism.ALL), None)
    if ends is None:
        return SpfRecord(tuple(terms), modifiers.get("redirect"))
    behind = terms[ends + 1].text if len(terms) > ends + 1 else None
    return SpfRecord(tuple(terms[: ends + 1]), None, behind)


def _keep_modifier(part: str, name: str, value: str, found: dict[str, Term]) -> None:
    if name in ("redirect", "exp"):
        if name in found:
            raise SpfSyntaxError(part)
        found[name] = _with_domain(Term(part, Result.PASS, Mechanism.INCLUDE), value)
    elif value and not _MACROS.fullmatch(value):
        raise SpfSyntaxError(part)


def _mechanism(part: str) -> Term:
    match = _MECHANISM.fullmatch(part)
    try:
        kind = Mechanism(match[2].lower()) if match else None
    except ValueError:
        kind = None
    if match is None or kind is None:
        raise SpfSyntaxError(part)
    term, rest = Term(part, _QUALIFIERS[match[1]], kind), match[3]
    if kind is Mechanism.ALL:
        if rest:
            raise SpfSyntaxError(part)
        return term
    if kind in (Mechanism.IP4, Mechanism.IP6):
        return _with_network(term, rest)
    if kind in (Mechanism.A, Mechanism.MX):
        split = _WITH_LENGTHS.fullmatch(rest)
        rest, lengths = (split[1], split[2]) if split else (rest, "")
        term = _with_lengths(term, lengths)
    if not rest and kind in (Mechanism.A, Mechanism.MX, Mechanism.PTR):
        return term
    if not rest.startswith(":"):
        raise SpfSyntaxError(part)
    return _with_domain(term, rest[1:])


def _with_domain(term: Term, text: str) -> Term:
    """``domain-spec`` (§7.1): a name of two labels at least, or a text with macros that ends in one or in a label."""
    if not _MACROS.fullmatch(text):
        raise SpfSyntaxError(term.text)
    if "%" in text:
        return replace(term, macros=True)
    name = referred_name(text)
    if name is None or "." not in name or name.rpartition(".")[2].isdigit():
        raise SpfSyntaxError(term.text)
    return replace(term, domain=name)


def _with_lengths(term: Term, text: str) -> Term:
    match = _LENGTHS.fullmatch(text)
    if match is None:
        raise SpfSyntaxError(term.text)
    four, six = int(match[1] or 32), int(match[2] or 128)
    if four > 32 or six > 128:
        raise SpfSyntaxError(term.text)
    return replace(term, lengths=(four, six))


def _with_network(term: Term, rest: str) -> Term:
    version = 4 if term.kind is Mechanism.IP4 else 6
    address, slash, length = rest[1:].partition("/")
    try:
        if not rest.startswith(":") or "%" in address or (slash and not re.fullmatch(r"0|[1-9]\d{0,2}", length)):
            raise ValueError
        network = ipaddress.ip_network(f"{address}/{length}" if slash else address, strict=False)
        if network.version != version:
            raise ValueError
    except ValueError:
        raise SpfSyntaxError(term.text) from None
    return replace(term, network=network)
