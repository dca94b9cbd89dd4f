"""The check of a sender's domain: one report made of all that its records say, and reports kept for a while."""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from config.addresses import host_name
from config.dns.cache import AnswerCache
from config.dns.dkim import check_dkim
from config.dns.dmarc import judge_dmarc
from config.dns.dmarc_walk import walk
from config.dns.lookups import QUERIES, SECONDS, Lookups
from config.dns.mx import check_mx
from config.dns.names import domain_name, is_public
from config.dns.report import DomainReport, Finding, FindingCode, State
from config.dns.resolver import Resolver
from config.dns.spf import check_spf

REPORT_SECONDS: Final = 300.0
"""How long a report is given out again, unless a question in it was left unanswered."""
UNANSWERED_SECONDS: Final = 5.0
REFRESH_SECONDS: Final = 30.0
"""How often the DNS is asked anew for the same domain, however often somebody wants that."""
MOST_SELECTORS: Final = 10

_SELECTOR: Final = re.compile(r"(?=.{1,120}\Z)[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?")
_UNANSWERED: Final = frozenset(
    {
        FindingCode.SPF_UNANSWERED,
        FindingCode.SPF_BRANCH_UNANSWERED,
        FindingCode.SPF_SERVER_UNRESOLVED,
        FindingCode.DKIM_UNANSWERED,
        FindingCode.DMARC_UNANSWERED,
        FindingCode.MX_UNANSWERED,
    }
)


def selector_name(text: str) -> str:
    """A DKIM selector (RFC 6376 §3.1) in lower case: one label or several, without ``._domainkey``.

    Raises:
        ValueError: it is none.
    """
    name = text.strip().lower()
    if ".." in name or not _SELECTOR.fullmatch(name):
        raise ValueError("is not a selector: letters, digits, dashes and dots, without the domain")
    return name


async def check_domain(
    domain: str,
    *,
    resolver: Resolver,
    server: str | None,
    selectors: Sequence[str] = (),
    now: Callable[[], datetime],
    queries: int = QUERIES,
    seconds: float = SECONDS,
) -> DomainReport:
    """Looks at the domain of a sender's address; ``server`` is where the mail is handed in, by name or IP address.

    It asks at most ``queries`` questions and takes at most about ``seconds``; what was not answered by then is unknown.

    Raises:
        ValueError: the domain, the server or a selector is none.
    """
    name = domain_name(domain)
    host = host_name(server) if server else None
    chosen = [selector_name(selector) for selector in selectors[:MOST_SELECTORS]]
    if not is_public(name):
        hidden = Finding.of(State.UNKNOWN, FindingCode.NAME_NOT_PUBLIC, domain=name)
        return DomainReport(name, now(), hidden, hidden, hidden, hidden)
    lookups = Lookups(resolver, queries=queries, seconds=seconds)
    spf, dkim, walked, (mx, exists) = await asyncio.gather(
        check_spf(name, lookups=lookups, server=host),
        check_dkim(name, lookups=lookups, selectors=chosen),
        walk(name, lookups),
        check_mx(name, lookups=lookups),
    )
    dmarc = judge_dmarc(name, walked, exists=exists is not False, spf=spf, dkim=dkim)
    return DomainReport(name, now() - timedelta(seconds=lookups.oldest), spf, dkim, dmarc, mx)


@dataclass(slots=True)
class _Slot:
    """A report, or one in the making: whoever has the lock makes it, the others wait and take it over."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    report: DomainReport | None = None
    until: float = 0.0


class DomainChecks:
    """Reports for many who ask: kept for some minutes, each made once at a time. ``clock`` is monotonic, in seconds.

    At most ``most`` reports are kept. ``now`` and ``clock`` are the program's.
    """

    def __init__(
        self, resolver: Resolver, *, now: Callable[[], datetime], clock: Callable[[], float], most: int = 1000
    ) -> None:
        self._answers = AnswerCache(resolver, clock=clock)
        self._now = now
        self._clock = clock
        self._most = most
        self._slots: OrderedDict[tuple[str, str | None, tuple[str, ...]], _Slot] = OrderedDict()
        self._refreshed: OrderedDict[str, float] = OrderedDict()

    async def __call__(
        self, domain: str, *, server: str | None = None, selectors: Sequence[str] = (), refresh: bool = False
    ) -> DomainReport:
        """A report that is a few minutes old at most; with ``refresh`` made of new answers.

        A refresh that comes too soon after another one of the same domain gets the kept report.

        Raises:
            ValueError: the domain, the server or a selector is none.
        """
        slot = self._slot((domain, server, tuple(selectors)))
        since = self._refresh(domain) if refresh else None
        async with slot.lock:
            if slot.report is None or since is not None or self._clock() >= slot.until:
                resolver = self._answers if since is None else self._answers.since(since)
                slot.report = await check_domain(
                    domain, resolver=resolver, server=server, selectors=selectors, now=self._now
                )
                slot.until = self._clock() + (REPORT_SECONDS if _complete(slot.report) else UNANSWERED_SECONDS)
            return slot.report

    def _slot(self, key: tuple[str, str | None, tuple[str, ...]]) -> _Slot:
        slot = self._slots.setdefault(key, _Slot())
        self._slots.move_to_end(key)
        while len(self._slots) > self._most:
            self._slots.popitem(last=False)
        return slot

    def _refresh(self, domain: str) -> float | None:
        """The moment from which on answers count as new; ``None`` if the last refresh is not long ago."""
        moment = self._clock()
        if moment - self._refreshed.get(domain, float("-inf")) < REFRESH_SECONDS:
            return None
        self._refreshed[domain] = moment
        self._refreshed.move_to_end(domain)
        while len(self._refreshed) > self._most:
            self._refreshed.popitem(last=False)
        return moment


def _complete(report: DomainReport) -> bool:
    return not any(one.code in _UNANSWERED for finding in report.findings for one in (finding, *finding.notes))
