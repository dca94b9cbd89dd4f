"""Following an SPF record to everything it refers to, within the limits of RFC 7208 §4.6.4.

The whole record is followed, as a recipient does for a server that it does not list. What is found is a tree, which
:mod:`config.dns.spf_match` compares with addresses, and what is wrong with it.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from config.dns.lookups import Lookups
from config.dns.report import Finding, FindingCode, State
from config.dns.resolver import Unanswered
from config.dns.spf_record import Mechanism, Result, SpfRecord, SpfSyntaxError, Term, is_spf, parse
from transports.smtp.guard import Address

MOST_LOOKUPS: Final = 10
MOST_VOID: Final = 2
MOST_MX: Final = 10

_LOOKING_UP: Final = frozenset(Mechanism) - {Mechanism.ALL, Mechanism.IP4, Mechanism.IP6}


@dataclass(frozen=True, slots=True)
class Hosts:
    """The addresses that an ``a`` or ``mx`` leads to; some are not known unless ``complete``."""

    addresses: tuple[Address, ...]
    complete: bool = True


@dataclass(slots=True)
class Node:
    """A record in the tree. ``branches`` has what a term leads to by its place, the redirect under -1.

    A branch that could not be followed, or must not be, is not there: what it says is unknown.
    """

    record: SpfRecord
    branches: "dict[int, Node | Hosts]" = field(default_factory=dict)


class SpfWalk:
    """One walk. Afterwards ``findings`` has what is wrong, ``included`` every name included or redirected to.

    ``undecided`` is the first term that only a single mail can decide.
    """

    def __init__(self, lookups: Lookups) -> None:
        self._lookups = lookups
        self._void = 0
        self.count = 0
        self.included: set[str] = set()
        self.undecided: str | None = None
        self.findings: list[Finding] = []

    @property
    def unanswered(self) -> bool:
        """Whether a part of the record is not known because nobody answered."""
        return any(finding.code is FindingCode.SPF_BRANCH_UNANSWERED for finding in self.findings)

    async def follow(self, domain: str, text: str) -> Node | None:
        """The tree of a domain's record; ``None`` where the record itself cannot be read."""
        try:
            record = parse(text)
        except SpfSyntaxError as error:
            self._found(State.PROBLEM, FindingCode.SPF_SYNTAX, term=error.term)
            return None
        node = await self._node(record, (domain,))
        if self.count > MOST_LOOKUPS:
            self._found(State.PROBLEM, FindingCode.SPF_LOOKUPS, count=self.count)
        if self._void > MOST_VOID:
            self._found(State.PROBLEM, FindingCode.SPF_VOID_LOOKUPS)
        return node

    async def _node(self, record: SpfRecord, path: tuple[str, ...]) -> Node:
        node = Node(record)
        self._judge(record)
        for place, term in enumerate(record.terms):
            if term.kind in _LOOKING_UP:
                await self._branch(node, place, term, path)
        if record.redirect is not None:
            await self._branch(node, -1, record.redirect, path)
        return node

    def _judge(self, record: SpfRecord) -> None:
        everybody = (
            term.kind is Mechanism.ALL or (term.network is not None and term.network.prefixlen == 0)
            for term in record.terms
            if term.result is Result.PASS
        )
        if any(everybody):
            self._found(State.PROBLEM, FindingCode.SPF_EVERYBODY)

    async def _branch(self, node: Node, place: int, term: Term, path: tuple[str, ...]) -> None:
        self.count += 1
        # `exists` makes sense with macros only, and would tell a tenant which names there are; `ptr` needs the mail.
        if term.macros or term.kind in (Mechanism.EXISTS, Mechanism.PTR):
            self.undecided = self.undecided or term.text
            if term.kind is Mechanism.PTR:
                self._found(State.WARNING, FindingCode.SPF_PTR, term=term.text)
            return
        if self.count > MOST_LOOKUPS:
            return
        domain = term.domain or path[-1]
        try:
            branch = await self._look(term.kind, domain, path)
        except Unanswered:
            self._found(State.UNKNOWN, FindingCode.SPF_BRANCH_UNANSWERED, domain=domain)
            return
        if branch is not None:
            node.branches[place] = branch

    async def _look(self, kind: Mechanism, domain: str, path: tuple[str, ...]) -> Node | Hosts | None:
        if kind is Mechanism.A:
            addresses = await self._lookups.addresses(domain)
            self._void += not addresses
            return Hosts(addresses)
        if kind is Mechanism.MX:
            return await self._exchanges(domain)
        return await self._record(domain, path)

    async def _exchanges(self, domain: str) -> Hosts | None:
        _, exchanges = await self._lookups.mx(domain)
        self._void += not exchanges
        if len(exchanges) > MOST_MX:
            self._found(State.PROBLEM, FindingCode.SPF_MANY_MX, domain=domain)
            return None
        hosts = [exchange.host for exchange in exchanges if exchange.host]
        answers = await asyncio.gather(*map(self._lookups.addresses, hosts), return_exceptions=True)
        found: list[Address] = []
        complete = True
        for answer in answers:
            if isinstance(answer, Unanswered):
                complete = False
            elif isinstance(answer, BaseException):
                raise answer
            else:
                found += answer
        if not complete:
            self._found(State.UNKNOWN, FindingCode.SPF_BRANCH_UNANSWERED, domain=domain)
        return Hosts(tuple(found), complete)

    async def _record(self, domain: str, path: tuple[str, ...]) -> Node | None:
        self.included.add(domain)
        if domain in path:
            self._found(State.PROBLEM, FindingCode.SPF_LOOP, domain=domain)
            return None
        records = [text for text in (await self._lookups.txt(domain)).values if is_spf(text)]
        if not records:
            self._found(State.PROBLEM, FindingCode.SPF_BRANCH_MISSING, domain=domain)
            return None
        try:
            if len(records) > 1:
                raise SpfSyntaxError(records[1])
            record = parse(records[0])
        except SpfSyntaxError:
            self._found(State.PROBLEM, FindingCode.SPF_BRANCH_BROKEN, domain=domain)
            return None
        return await self._node(record, (*path, domain))

    def _found(self, state: State, code: FindingCode, **params: object) -> None:
        finding = Finding.of(state, code, **params)
        if finding not in self.findings:
            self.findings.append(finding)
