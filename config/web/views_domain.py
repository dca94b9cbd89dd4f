"""The sender's domain as it is shown: each kind of record with its state, what it means and what to do."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from config.dns.report import DomainReport, Finding, State
from config.dns.texts import FindingText, finding_text
from config.languages import N_
from config.web.forms import Field, Problem

_STATES: Final[Mapping[State, tuple[str, str]]] = {
    State.OK: ("ok", N_("in order")),
    State.WARNING: ("warning", N_("could be better")),
    State.PROBLEM: ("bad", N_("problem")),
    State.MISSING: ("bad", N_("missing")),
    State.UNKNOWN: ("unknown", N_("unknown")),
}
_PURPOSES: Final = (
    ("SPF", N_("which servers may send for the domain")),
    ("DKIM", N_("the key that signatures are checked with")),
    ("DMARC", N_("what becomes of mail that passes neither")),
    ("MX", N_("where replies go")),
)


NO_SELECTOR: Final = Field("selector")


@dataclass(frozen=True, slots=True)
class FindingShort:
    """One kind of record in a word."""

    title: str
    tone: str
    state: str


@dataclass(frozen=True, slots=True)
class DomainShort:
    """What the settings page says; without ``findings`` nothing is known yet."""

    name: str
    findings: tuple[FindingShort, ...] = ()
    checked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NoteView:
    """Something else about the same kind of record, never worse than the finding itself."""

    tone: str
    state: str
    text: FindingText


@dataclass(frozen=True, slots=True)
class FindingView:
    """One kind of record: what it is for, what was found, what that means."""

    title: str
    purpose: str
    tone: str
    state: str
    text: FindingText
    records: tuple[str, ...]
    notes: tuple[NoteView, ...]


@dataclass(frozen=True, slots=True)
class DomainView:
    """The page; ``domain`` is empty where the sender is the platform's."""

    domain: str = ""
    checked_at: datetime | None = None
    findings: tuple[FindingView, ...] = ()
    selector: Field = NO_SELECTOR
    problems: tuple[Problem, ...] = ()


def domain_short(name: str, report: DomainReport | None) -> DomainShort:
    """The report in a word for each kind of record."""
    if report is None:
        return DomainShort(name)
    findings = tuple(FindingShort(title, *_STATES[one.state]) for (title, _), one in _findings(report))
    return DomainShort(report.domain, findings, report.checked_at)


def domain_view(report: DomainReport, selector: Field, problems: tuple[Problem, ...] = ()) -> DomainView:
    """The whole report."""
    findings = tuple(
        FindingView(title, purpose, *_STATES[one.state], finding_text(one), one.records, _notes(one))
        for (title, purpose), one in _findings(report)
    )
    return DomainView(report.domain, report.checked_at, findings, selector, problems)


def _findings(report: DomainReport) -> tuple[tuple[tuple[str, str], Finding], ...]:
    return tuple(zip(_PURPOSES, report.findings, strict=True))


def _notes(finding: Finding) -> tuple[NoteView, ...]:
    return tuple(NoteView(*_STATES[one.state], finding_text(one)) for one in finding.notes)
