"""From a refusal of the Gmail API to a decision: the pure reading of the table in ``reply_rules``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from transports.errors import AccountProblem, Code, DeliveryError, OutcomeUnknown, Temporary, Throttled
from transports.gmail.reply_rules import LONG, OWN_APP, RULES, Rule
from transports.gmail.requests import NAME
from transports.http_times import retry_after, seconds_until

_AFTER = re.compile(r"retry after\s+(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?)\s*(Z|[+-]\d{2}:?\d{2})?", re.I)
_SOON = 0.5
"""Seconds: "now" and the past, as something to wait for."""
_STALE = 60.0
"""Seconds after which a time in a text is of no use (google-api-ruby-client#20544)."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is no success. ``message`` and ``reasons`` may hold anything and are neither stored nor shown."""

    status: int
    headers: Mapping[str, str]
    message: str = ""
    reasons: tuple[str, ...] = ()


def classify(refusal: Refusal, now: float, *, final: bool = True, own_app: bool = False) -> DeliveryError:
    """What ``refusal`` means; ``now`` is the wall clock's, ``own_app`` as in ``GmailSettings``.

    ``final`` says that the request had a mail: a failure of the server then leaves the outcome unknown. Every refusal
    has a decision; one that no row knows is ``Temporary(UNKNOWN_REPLY)``, or ``OutcomeUnknown`` for a 5xx.
    """
    rule = find_rule(refusal)
    after = wait(refusal, now)
    detail = str(refusal.status)
    if rule is None and refusal.status < 500:
        return Temporary(Code.UNKNOWN_REPLY, detail, transport=NAME, retry_after=after)
    if rule is None or rule.error is OutcomeUnknown:
        if final:
            return OutcomeUnknown(Code.OUTCOME_UNKNOWN, detail, transport=NAME)
        return Temporary(Code.TEMPORARY_FAILURE, detail, transport=NAME)
    error, code = OWN_APP.get(rule.code, (rule.error, rule.code)) if own_app else (rule.error, rule.code)
    after = rule.retry_after if after is None else after
    if error is Throttled and after is not None and after > LONG:
        error, code = AccountProblem, Code.QUOTA_EXHAUSTED
    return error(code, f"{detail} {_shown(rule, refusal)}".rstrip(), transport=NAME, retry_after=after)


def find_rule(refusal: Refusal) -> Rule | None:
    """The first row that fits, or None for a refusal nobody has described."""
    message = refusal.message.lower()
    reasons = {word.lower() for word in refusal.reasons}
    for rule in RULES:
        if rule.statuses and refusal.status not in rule.statuses:
            continue
        if rule.reasons and not rule.reasons & reasons:
            continue
        if not rule.text or re.search(rule.text, message):
            return rule
    return None


def wait(refusal: Refusal, now: float) -> float | None:
    """Seconds from now until the provider wants to be asked again, more than 0; None when it does not say.

    The text knows better than the header: it has the end of a lock, which a front end does not know.
    """
    found = _AFTER.search(refusal.message)
    moment = None if found is None else _moment(found[1], found[2] or "Z")
    # A time long past is a known fault of Google's, and no leave to try at once.
    if moment is not None and seconds_until(moment + _STALE, refusal.headers, now):
        return max(_SOON, seconds_until(moment, refusal.headers, now))
    seconds = retry_after(refusal.headers, now)
    return None if seconds is None else max(_SOON, seconds)


def _moment(time: str, zone: str) -> float | None:
    try:
        return datetime.fromisoformat(f"{time[:26]}{zone.upper()}").astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        return None


def _shown(rule: Rule, refusal: Refusal) -> str:
    """The reason that the row was found by: one of our own words, spelt as Google does."""
    return next((word for word in refusal.reasons if word.lower() in rule.reasons), "")
