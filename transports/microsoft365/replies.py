"""From a reply of Graph to a decision: the pure reading of the table in ``reply_rules``."""

import json
from typing import Any

from transports.errors import Code, DeliveryError, OutcomeUnknown, Temporary, Throttled
from transports.http import Reply
from transports.http_times import retry_after
from transports.microsoft365.reply_rules import RULES, Rule

NAME = "microsoft365"
_DEEPEST = 8
_CLAIMS = "insufficient_claims"
_UNAVAILABLE = 503
_SOON = 0.5  # seconds: "now" and the past, as something to wait for


def classify(reply: Reply, now: float, *, final: bool) -> DeliveryError:
    """What ``reply``, which is no success, means; ``now`` is the wall clock's time.

    ``final`` says that the request was to send the mail: a failure of the server then leaves the outcome unknown. Every
    reply has a decision; one that no row knows is ``Temporary(UNKNOWN_REPLY)``, or ``OutcomeUnknown`` for a 5xx. A 503
    that says when to come back was not acted upon.
    """
    codes = error_codes(reply.body)
    if _CLAIMS in reply.headers.get("WWW-Authenticate", ""):
        codes = (_CLAIMS, *codes)
    rule = find_rule(reply.status, codes)
    after = retry_after(reply.headers, now)
    after = None if after is None else max(_SOON, after)
    if rule is None:
        if reply.status < 500:
            return Temporary(Code.UNKNOWN_REPLY, str(reply.status), transport=NAME, retry_after=after)
        return _unsettled(str(reply.status), after, final=final)
    detail = f"{reply.status} {rule.code.rstrip('*')}".rstrip()
    if rule.error is OutcomeUnknown:
        put_off = reply.status == _UNAVAILABLE and after is not None
        return _unsettled(detail, after, final=final and not put_off)
    if rule.error is Temporary and after is not None:
        return Throttled(Code.THROTTLED, detail, transport=NAME, retry_after=after)
    return rule.error(rule.reason, detail, transport=NAME, retry_after=rule.retry_after if after is None else after)


def _unsettled(detail: str, after: float | None, *, final: bool) -> DeliveryError:
    if final:
        return OutcomeUnknown(Code.OUTCOME_UNKNOWN, detail, transport=NAME)
    if after is not None:
        return Throttled(Code.THROTTLED, detail, transport=NAME, retry_after=after)
    return Temporary(Code.TEMPORARY_FAILURE, detail, transport=NAME)


def find_rule(status: int, codes: tuple[str, ...]) -> Rule | None:
    """The first row that fits, or None for a reply nobody agreed on."""
    for rule in RULES:
        if rule.statuses and status not in rule.statuses:
            continue
        if not rule.code or any(_fits(rule.code, code) for code in codes):
            return rule
    return None


def _fits(wanted: str, code: str) -> bool:
    return code.startswith(wanted[:-1]) if wanted.endswith("*") else code == wanted


def error_codes(body: bytes) -> tuple[str, ...]:
    """``error.code`` and the codes nested in it, in lower case; none of a body that is something else."""
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        return ()
    codes: list[str] = []
    error = found.get("error") if isinstance(found, dict) else None
    while isinstance(error, dict) and len(codes) < _DEEPEST:
        code = error.get("code")
        codes.append(code.lower() if isinstance(code, str) else "")
        error = error.get("innerError", error.get("innererror"))
    return tuple(codes)
