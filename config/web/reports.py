"""The last report on each organisation's sender domain, so that a page never waits for the DNS to be shown.

In memory and per process: what is lost with it is looked up again. How long single answers are kept is the business of
the checks themselves.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from config.dns.report import DomainReport
from config.web.services import DomainChecks

_KEPT: Final = 2000
_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked at for an organisation: its sender's domain, and the server the mail leaves by."""

    organization: str
    domain: str
    server: str | None


class Reports:
    """Remembers reports and renews them in the background, a few at a time."""

    def __init__(self, checks: DomainChecks) -> None:
        self._checks = checks
        self._known: OrderedDict[Question, tuple[DomainReport, str]] = OrderedDict()
        self._under_way: dict[Question, asyncio.Task[DomainReport]] = {}

    def remembered(self, question: Question) -> DomainReport | None:
        """The last report, at once; a look-up begins meanwhile, for the next time somebody asks."""
        if question not in self._under_way and len(self._under_way) < _AT_ONCE:
            task = self._under_way[question] = asyncio.create_task(self.report(question))
            task.add_done_callback(lambda done: self._ended(question, done))
        return self._known[question][0] if question in self._known else None

    def selector(self, question: Question) -> str:
        """The DKIM selector that the last report was made with; empty for the usual ones."""
        return self._known[question][1] if question in self._known else ""

    async def report(self, question: Question, *, selector: str | None = None, refresh: bool = False) -> DomainReport:
        """A report of now, or of the last minutes unless ``refresh``; ``None`` takes the selector of the last one.

        Raises:
            ValueError: the domain is none that can be looked up.
        """
        chosen = self.selector(question) if selector is None else selector
        selectors = (chosen,) if chosen else ()
        report = await self._checks(question.domain, server=question.server, selectors=selectors, refresh=refresh)
        self._known[question] = (report, chosen)
        self._known.move_to_end(question)
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return report

    def _ended(self, question: Question, task: "asyncio.Task[DomainReport]") -> None:
        self._under_way.pop(question, None)
        if not task.cancelled():
            task.exception()  # seen; the page that asks for it in the foreground shows what is wrong
