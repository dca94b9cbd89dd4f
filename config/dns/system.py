"""The DNS as this machine sees it: dnspython asking the name servers of ``/etc/resolv.conf``."""

import asyncio
from collections.abc import Sequence
from typing import Final

import dns.asyncresolver
import dns.exception
import dns.message
import dns.name
import dns.rdatatype
import dns.rdtypes.ANY.MX
import dns.rdtypes.ANY.TXT
import dns.resolver
import dns.rrset

from config.dns.names import is_public
from config.dns.resolver import Answer, Kind, Unanswered

_RESOLV_CONF: Final = "/etc/resolv.conf"
_PAYLOAD: Final = 1232  # bytes that pass everywhere without fragments (DNS flag day 2020)
_LARGEST: Final = 32_768


class SystemResolver:
    """A :class:`~config.dns.resolver.Resolver`.

    ``seconds`` bound one question with all its tries, ``try_seconds`` one try at one server; at most ``at_once``
    questions are under way. Without ``nameservers`` (IP addresses) the machine's own are read from ``file``; a missing
    or unreadable file leaves every question unanswered until it is there. A truncated answer is asked for again by TCP.
    """

    def __init__(
        self,
        nameservers: Sequence[str] = (),
        *,
        port: int = 53,
        seconds: float = 3.0,
        try_seconds: float = 1.5,
        at_once: int = 64,
        file: str = _RESOLV_CONF,
    ) -> None:
        self._nameservers = tuple(nameservers)
        self._port = port
        self._seconds = seconds
        self._try_seconds = try_seconds
        self._file = file
        self._places = asyncio.Semaphore(at_once)
        self._resolver: dns.asyncresolver.Resolver | None = None

    async def query(self, name: str, kind: Kind) -> Answer:
        """See :meth:`config.dns.resolver.Resolver.query`."""
        async with self._places:
            try:
                answer = await self._ask(dns.name.from_text(f"{name}."), dns.rdatatype.from_text(kind))
            except (dns.exception.DNSException, OSError, ValueError) as error:
                raise Unanswered(type(error).__name__) from error
        # A public name whose alias leads into the operator's own network would otherwise be a window into it.
        if not all(map(is_public, answer.aliases)) or sum(map(len, answer.values)) > _LARGEST:
            raise Unanswered("not for us")
        return answer

    async def _ask(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> Answer:
        try:
            answer = await self._configured().resolve(
                name, kind, raise_on_no_answer=False, search=False, lifetime=self._seconds
            )
        except dns.resolver.NXDOMAIN as error:
            found = error.response(name).resolve_chaining()  # type: ignore[no-untyped-call]
            return Answer(aliases=_aliases(found), exists=False, ttl=found.minimum_ttl)
        found = answer.chaining_result
        return Answer(_values(found.answer), _aliases(found), ttl=found.minimum_ttl)

    def _configured(self) -> dns.asyncresolver.Resolver:
        if self._resolver is None:
            if self._nameservers:
                resolver = dns.asyncresolver.Resolver(configure=False)
                resolver.nameservers = list(self._nameservers)
            else:
                resolver = dns.asyncresolver.Resolver(self._file)
            resolver.port = self._port
            resolver.timeout = self._try_seconds
            resolver.use_edns(0, 0, _PAYLOAD)
            self._resolver = resolver
        return self._resolver


def _aliases(found: dns.message.ChainingResult) -> tuple[str, ...]:
    return tuple(_text(rrset[0].target) for rrset in found.cnames)


def _values(rrset: dns.rrset.RRset | None) -> tuple[str, ...]:
    # Servers turn the order of equals from answer to answer; findings should not.
    records = sorted(rrset or (), key=lambda record: (getattr(record, "preference", 0), record.to_text()))
    return tuple(map(_value, records))


def _value(record: object) -> str:
    if isinstance(record, dns.rdtypes.ANY.TXT.TXT):
        return b"".join(record.strings).decode("utf-8", "backslashreplace")
    if isinstance(record, dns.rdtypes.ANY.MX.MX):
        return f"{record.preference} {_text(record.exchange) or '.'}"
    return str(record)


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower() if name != dns.name.root else ""
