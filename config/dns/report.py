"""What a look at a domain's records found, as plain values; the words for it are in :mod:`config.dns.texts`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Self

_SHOWN_RECORD: Final = 1000
_SHOWN_VALUE: Final = 300


class State(StrEnum):
    """How it stands with one kind of record. ``unknown``: nobody answered, or it cannot be told from outside."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    MISSING = "missing"
    UNKNOWN = "unknown"


class FindingCode(StrEnum):
    """Everything that can be found; each has its texts."""

    # of every kind
    NAME_NOT_PUBLIC = "name_not_public"
    # SPF
    SPF_COVERS = "spf_covers"
    SPF_COVERS_PROVIDER = "spf_covers_provider"
    SPF_VALID = "spf_valid"
    SPF_NOT_LISTED = "spf_not_listed"
    SPF_PARTLY_LISTED = "spf_partly_listed"
    SPF_PROVIDER_MISSING = "spf_provider_missing"
    SPF_SERVER_UNRESOLVED = "spf_server_unresolved"
    SPF_UNDECIDED = "spf_undecided"
    SPF_BRANCH_UNANSWERED = "spf_branch_unanswered"
    SPF_UNANSWERED = "spf_unanswered"
    SPF_MISSING = "spf_missing"
    SPF_SEVERAL = "spf_several"
    SPF_SYNTAX = "spf_syntax"
    SPF_BRANCH_BROKEN = "spf_branch_broken"
    SPF_BRANCH_MISSING = "spf_branch_missing"
    SPF_LOOP = "spf_loop"
    SPF_LOOKUPS = "spf_lookups"
    SPF_VOID_LOOKUPS = "spf_void_lookups"
    SPF_MANY_MX = "spf_many_mx"
    SPF_EVERYBODY = "spf_everybody"
    SPF_NO_VERDICT = "spf_no_verdict"
    SPF_AFTER_ALL = "spf_after_all"
    SPF_PTR = "spf_ptr"
    # DKIM
    DKIM_FOUND = "dkim_found"
    DKIM_MISSING = "dkim_missing"
    DKIM_NOT_FOUND = "dkim_not_found"
    DKIM_UNANSWERED = "dkim_unanswered"
    DKIM_NO_TARGET = "dkim_no_target"
    DKIM_NO_TARGET_MICROSOFT = "dkim_no_target_microsoft"
    DKIM_SEVERAL = "dkim_several"
    DKIM_REVOKED = "dkim_revoked"
    DKIM_UNUSABLE = "dkim_unusable"
    DKIM_TOO_SHORT = "dkim_too_short"
    DKIM_SHORT = "dkim_short"
    DKIM_TESTING = "dkim_testing"
    DKIM_MICROSOFT = "dkim_microsoft"
    # DMARC
    DMARC_ENFORCED = "dmarc_enforced"
    DMARC_MONITORING = "dmarc_monitoring"
    DMARC_MISSING = "dmarc_missing"
    DMARC_UNANSWERED = "dmarc_unanswered"
    DMARC_SEVERAL = "dmarc_several"
    DMARC_INVALID = "dmarc_invalid"
    DMARC_CONSUMER = "dmarc_consumer"
    DMARC_AT_RISK = "dmarc_at_risk"
    DMARC_INHERITED = "dmarc_inherited"
    DMARC_TAG_IGNORED = "dmarc_tag_ignored"
    DMARC_TESTING = "dmarc_testing"
    DMARC_PARTIAL = "dmarc_partial"
    DMARC_NO_REPORTS = "dmarc_no_reports"
    DMARC_RELAXED = "dmarc_relaxed"
    DMARC_STRICT = "dmarc_strict"
    # MX
    MX_FOUND = "mx_found"
    MX_IMPLICIT = "mx_implicit"
    MX_MISSING = "mx_missing"
    MX_NO_SUCH_DOMAIN = "mx_no_such_domain"
    MX_NULL = "mx_null"
    MX_NULL_MIXED = "mx_null_mixed"
    MX_UNANSWERED = "mx_unanswered"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found: a state, its code, and what the texts of that code are filled with.

    ``records`` are what the domain publishes, unfit characters made visible. ``notes`` are further findings on the same
    kind of record, none of them worse than this one; they have no notes of their own.
    """

    state: State
    code: FindingCode
    params: Mapping[str, str]
    records: tuple[str, ...] = ()
    notes: tuple["Finding", ...] = ()

    @classmethod
    def of(cls, state: State, code: FindingCode, /, **params: object) -> Self:
        """A finding without records and notes; the values are made fit to be shown."""
        return cls(state, code, {name: shown(str(value), _SHOWN_VALUE) for name, value in params.items()})


@dataclass(frozen=True, slots=True)
class DomainReport:
    """What was found about ``domain`` (A-labels, lower case). Answers may be older than ``checked_at`` by their TTL."""

    domain: str
    checked_at: datetime
    spf: Finding
    dkim: Finding
    dmarc: Finding
    mx: Finding

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The four, in the order they are shown."""
        return (self.spf, self.dkim, self.dmarc, self.mx)

    @property
    def sound(self) -> bool:
        """Whether nothing was found that has to be mended; what is unknown is not held against the domain."""
        return not any(finding.state in (State.PROBLEM, State.MISSING) for finding in self.findings)


_BY_WEIGHT: Final = (State.PROBLEM, State.MISSING, State.WARNING, State.UNKNOWN, State.OK)


def summed_up(findings: Iterable[Finding], records: Iterable[str] = ()) -> Finding:
    """The gravest finding with the others as its notes, in order of weight; of equals the first comes first."""
    first, *others = sorted(findings, key=lambda finding: _BY_WEIGHT.index(finding.state))
    kept = tuple(shown(record, _SHOWN_RECORD) for record in records)
    return Finding(first.state, first.code, first.params, kept, tuple(others))


def shown(text: str, most: int) -> str:
    """The text without what a terminal or a reader could be deceived with, cut after ``most`` characters."""
    clean = "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in text[:most])
    return clean[: most - 1] + "…" if len(text) > most or len(clean) > most else clean
