"""How fast an account may be used, for people: what is usual and why, what was chosen, what is in force."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from config.advice import Advice, advise
from config.choices import AccountLimits, Summary
from config.held_back import HeldBack
from config.languages import N_
from config.limit_overrides import LEAST, MOST, by_name
from config.limits import CONNECTIONS, PER_DAY, PER_MINUTE, DayUnit, Limits
from config.web import forms
from config.web.forms import Field, Problem
from config.web.views import Notice
from transports.errors import Code

_MICROSOFT: Final = N_(
    "Microsoft limits how much mail may leave from a mailbox. What is usual here is what it takes; beyond that it first"
    " asks to slow down and then refuses mail."
)
_GOOGLE: Final = N_(
    "Google limits how much mail may leave from an account. What is usual here is what it takes; beyond that it refuses"
    " mail, and can close the account for sending for up to 24 hours."
)
_OWN: Final = N_(
    "What your own server takes is known to whoever runs it, so usually only the number of mails at once is limited."
    " Ask for its limits, and enter them if there are any."
)
_UNREADABLE: Final = Notice(
    "bad",
    N_(
        "What is stored of your account or its limits cannot be read, so mail waits. Use the usual limits; if this"
        " stays here then, tell the platform’s operator."
    ),
)
_RECIPIENTS: Final = N_("Recipients in 24 hours")
_HINTS: Final[Mapping[str, str]] = {
    CONNECTIONS: N_("How many mails may be on their way to the server at the same moment."),
    PER_MINUTE: N_("How many mails may leave in any 60 seconds."),
    PER_DAY: N_("How many mails may leave in any 24 hours."),
}
_HINT_RECIPIENTS: Final = N_("How many recipients mails may have in any 24 hours, every To, Cc and Bcc counted.")


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One limit; ``None`` in ``usual`` and ``effective`` is "no limit". ``chosen``: the organisation chose it."""

    field: Field
    label: str
    hint: str
    most: int
    may_be_none: bool
    usual: int | None
    effective: int | None
    chosen: bool


@dataclass(frozen=True, slots=True)
class LimitsView:
    """The page. Without ``rows`` there is nothing to limit: the platform sends.

    ``unreadable`` is said where what is stored makes no sense: then nothing is usual and nothing in force.
    """

    server: str
    why: str
    rows: tuple[LimitRow, ...]
    unreadable: Notice | None
    any_chosen: bool
    version: int
    problems: tuple[Problem, ...] = ()
    conflict: Notice | None = None


@dataclass(frozen=True, slots=True)
class HeldView:
    """Delivery that is held back ``since`` then: why, what to check, and when one mail is tried."""

    advice: Advice
    since: datetime
    next_try: datetime


@dataclass(frozen=True, slots=True)
class LimitsShort:
    """What the page of settings says of it: pairs of label and number, ``None`` for "no limit"."""

    facts: tuple[tuple[str, int | None], ...]
    any_chosen: bool


def limits_view(
    summary: Summary | None,
    *,
    server: str,
    typed: Mapping[str, str] | None = None,
    problems: Iterable[tuple[str, str]] = (),
    conflict: Notice | None = None,
) -> LimitsView:
    """The page with the limits chosen in its form, or with what was ``typed`` there."""
    if summary is None:
        return LimitsView("", "", (), unreadable=None, any_chosen=False, version=0)
    limits, found = summary.limits, tuple(problems)
    values = entered(limits) if typed is None else typed
    return LimitsView(
        server=server,
        why=_why(limits.preset) if limits else "",
        rows=tuple(_row(name, limits, values.get(name, ""), found) for name in MOST),
        unreadable=None if limits else _UNREADABLE,
        any_chosen=limits is None or bool(limits.chosen),
        version=summary.version,
        problems=forms.listed(found),
        conflict=conflict,
    )


def limits_short(summary: Summary | None) -> LimitsShort | None:
    """The same in short; ``None`` where there is nothing to say."""
    limits = summary.limits if summary else None
    if limits is None:
        return None
    effective = by_name(limits.effective)
    return LimitsShort(tuple((_label(name, limits), effective[name]) for name in MOST), bool(limits.chosen))


def held_view(held: HeldBack, summary: Summary) -> HeldView:
    """Why mail waits, in words for whoever runs the account."""
    return HeldView(held_advice(held, summary), held.since, held.next_try)


def held_advice(held: HeldBack, summary: Summary) -> Advice:
    """What happened and what to check."""
    # Advice on these is about a test, and nobody tested anything.
    known = held.reason in set(Code) - {Code.OUTCOME_UNKNOWN, Code.INTERNAL_ERROR}
    reason, security = held.reason if known else Code.REPLY_TIMEOUT, summary.security or ""
    return advise(reason, host=summary.host or "", port=summary.port, security=security, kind=summary.kind)


def entered(limits: AccountLimits | None) -> dict[str, str]:
    """What was chosen, as it is entered in the form."""
    return {name: str(value) for name, value in limits.chosen.items()} if limits else {}


def _row(name: str, limits: AccountLimits | None, value: str, problems: tuple[tuple[str, str], ...]) -> LimitRow:
    usual, effective = (by_name(limits.preset), by_name(limits.effective)) if limits else ({}, {})
    return LimitRow(
        field=forms.with_mistakes(name, value, problems),
        label=_label(name, limits),
        hint=_HINT_RECIPIENTS if _by_recipients(name, limits) else _HINTS[name],
        most=MOST[name],
        may_be_none=LEAST[name] == 0,
        usual=usual.get(name),
        effective=effective.get(name),
        chosen=bool(limits and name in limits.chosen),
    )


def _label(name: str, limits: AccountLimits | None) -> str:
    return _RECIPIENTS if _by_recipients(name, limits) else forms.LABELS[name]


def _by_recipients(name: str, limits: AccountLimits | None) -> bool:
    return name == PER_DAY and limits is not None and limits.effective.day_unit is DayUnit.RECIPIENTS


def _why(preset: Limits) -> str:
    if preset.day_unit is DayUnit.RECIPIENTS:
        return _MICROSOFT
    return _OWN if preset.per_day is None else _GOOGLE
