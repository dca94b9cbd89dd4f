"""DKIM keys of a sender's domain: under the selectors that an administrator gave, and under those in common use.

Which selector a server signs with stands nowhere but in its mails. So a key that is missing under a given selector is
missing, and one that is missing under all the usual ones means nothing.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from config.dns.dkim_key import DkimKey, Fitness, judge
from config.dns.lookups import Lookups
from config.dns.report import Finding, FindingCode, State, summed_up
from config.dns.resolver import Answer, Unanswered

USUAL: Final = (
    "google",  # Google Workspace; administrators may choose another
    "selector1",  # Microsoft 365
    "selector2",
    "default",
    "dkim",
    "fm1",  # Fastmail
    "k1",  # Mailchimp
    "key1",
    "mail",
    "mandrill",
    "mta",
    "protonmail",
    "s1",  # SendGrid and others
    "s2",
    "smtp",
    "zoho",
)
# Microsoft assigns parts of the target itself, and moved from one form to the other in 2025: what it ends with can be
# recognised, what it must be cannot be computed.
_MICROSOFT: Final = (".onmicrosoft.com", ".dkim.mail.microsoft")
_SIGNING: Final = frozenset({Fitness.GOOD, Fitness.SHORT})
_FAULTS: Final = {Fitness.REVOKED: FindingCode.DKIM_REVOKED, Fitness.UNUSABLE: FindingCode.DKIM_UNUSABLE}


@dataclass(frozen=True, slots=True)
class _Looked:
    selector: str
    name: str
    answer: Answer | None

    @property
    def texts(self) -> tuple[str, ...]:
        """The records that are keys, or were meant to be; a wildcard brings others here too."""
        values = self.answer.values if self.answer is not None else ()
        return tuple(text for text in values if judge(text).fitness is not Fitness.NOT_A_KEY)

    @property
    def keys(self) -> list[DkimKey]:
        return [judge(text) for text in self.texts]

    @property
    def signing(self) -> bool:
        keys = self.keys
        return len(keys) == 1 and keys[0].fitness in _SIGNING

    @property
    def target(self) -> str:
        return self.answer.aliases[0] if self.answer is not None and self.answer.aliases else ""

    @property
    def microsoft(self) -> bool:
        return self.answer is not None and any(name.endswith(_MICROSOFT) for name in self.answer.aliases)


async def check_dkim(domain: str, *, lookups: Lookups, selectors: Sequence[str]) -> Finding:
    """What there is to say; ``selectors`` are those given, in lower case."""
    given = tuple(dict.fromkeys(selectors))
    guessed = [selector for selector in USUAL if selector not in given]
    looked = await asyncio.gather(*(_look(selector, domain, lookups) for selector in (*given, *guessed)))
    found = [one for one in looked if one.signing]
    findings: list[Finding] = []
    for one in looked[: len(given)]:
        findings += _of_given(one, others=any(other is not one for other in found))
    for one in looked[len(given) :]:
        findings += _of_guessed(one)
    if found:
        names = ", ".join(one.selector for one in found)
        findings.append(Finding.of(State.OK, FindingCode.DKIM_FOUND, selector=names))
        findings += [
            Finding.of(State.OK, FindingCode.DKIM_MICROSOFT, selector=one.selector) for one in found if one.microsoft
        ]
    elif not findings:
        findings.append(_none(looked))
    return summed_up(findings, _records(looked))


def signs(finding: Finding) -> bool:
    """Whether a key that signatures can be checked with was seen."""
    return any(one.code is FindingCode.DKIM_FOUND for one in (finding, *finding.notes))


async def _look(selector: str, domain: str, lookups: Lookups) -> _Looked:
    name = f"{selector}._domainkey.{domain}"
    try:
        return _Looked(selector, name, await lookups.txt(name))
    except Unanswered:
        return _Looked(selector, name, None)


def _of_given(one: _Looked, *, others: bool) -> Iterable[Finding]:
    if one.answer is None:
        yield Finding.of(State.UNKNOWN, FindingCode.DKIM_UNANSWERED, name=one.name)
    elif not one.answer.values:
        yield _without_key(one, State.WARNING if others and one.microsoft else State.PROBLEM)
    elif not one.keys:
        yield Finding.of(State.PROBLEM, FindingCode.DKIM_UNUSABLE, selector=one.selector)
    elif len(one.keys) > 1:
        yield Finding.of(State.PROBLEM, FindingCode.DKIM_SEVERAL, selector=one.selector, count=len(one.keys))
    elif one.keys[0].fitness in _FAULTS:
        yield Finding.of(State.PROBLEM, _FAULTS[one.keys[0].fitness], selector=one.selector)
    else:
        yield from _of_key(one, State.PROBLEM)


def _of_guessed(one: _Looked) -> Iterable[Finding]:
    """Only what is certainly meant for signatures; a withdrawn key is what a former selector ought to have."""
    if len(one.keys) > 1:
        yield Finding.of(State.WARNING, FindingCode.DKIM_SEVERAL, selector=one.selector, count=len(one.keys))
    elif one.keys and one.keys[0].fitness is Fitness.UNUSABLE:
        yield Finding.of(State.WARNING, FindingCode.DKIM_UNUSABLE, selector=one.selector)
    elif one.keys:
        yield from _of_key(one, State.WARNING)
    elif one.microsoft:
        yield _without_key(one, State.WARNING)


def _of_key(one: _Looked, grave: State) -> Iterable[Finding]:
    (key,) = one.keys
    if key.fitness is Fitness.TOO_SHORT:
        yield Finding.of(grave, FindingCode.DKIM_TOO_SHORT, selector=one.selector, bits=key.bits)
    elif key.fitness is Fitness.SHORT:
        yield Finding.of(State.WARNING, FindingCode.DKIM_SHORT, selector=one.selector, bits=key.bits)
    if key.testing:
        yield Finding.of(State.WARNING, FindingCode.DKIM_TESTING, selector=one.selector)


def _without_key(one: _Looked, state: State) -> Finding:
    if one.microsoft:
        return Finding.of(state, FindingCode.DKIM_NO_TARGET_MICROSOFT, selector=one.selector)
    if one.target:
        return Finding.of(state, FindingCode.DKIM_NO_TARGET, selector=one.selector, target=one.target)
    return Finding.of(State.MISSING, FindingCode.DKIM_MISSING, selector=one.selector, name=one.name)


def _none(looked: Sequence[_Looked]) -> Finding:
    silent = next((one for one in looked if one.answer is None), None)
    if silent is not None:
        return Finding.of(State.UNKNOWN, FindingCode.DKIM_UNANSWERED, name=silent.name)
    return Finding.of(State.UNKNOWN, FindingCode.DKIM_NOT_FOUND)


def _records(looked: Iterable[_Looked]) -> Iterable[str]:
    return (f"{one.name}: {text}" for one in looked for text in one.texts)
