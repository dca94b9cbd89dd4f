"""The retry rule: pure, with the clock and the randomness as arguments. Only ``settle`` acts on what it says."""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from consumer.attempt import Attempt
from consumer.outcome import Branch, Dead, Decision, Park, Reason, Retry
from transports.errors import (
    AccountProblem,
    Code,
    DeliveryError,
    OutcomeUnknown,
    Permanent,
    PlatformProblem,
    Throttled,
)

_PLATFORM_PAUSE = 15.0
_THROTTLE_PAUSE = 60.0
_LONGEST_PAUSE = 24 * 3600.0
_MOMENT = 1.0
"""Seconds before its expiry in which an event is not worth putting off."""
_LONGEST_SPREAD = 0.5
"""Seconds between the moment a provider named and the latest next try."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How long and how often. All times in seconds.

    ``schedule`` holds the pauses after the first, second … failure; the last one repeats until ``max_age``.
    ``jitter`` spreads each pause by that share to either side. A code nobody has classified is tried
    ``unknown_code_tries`` times only. ``unknown_pause`` precedes the one resend after an unknown outcome.
    """

    schedule: tuple[float, ...] = (15.0, 60.0, 300.0, 900.0, 3600.0)
    max_age: float = 72 * 3600.0
    jitter: float = 0.2
    unknown_code_tries: int = 5
    unknown_pause: float = 300.0


def decide(
    error: DeliveryError,
    attempt: Attempt,
    *,
    now: datetime,
    expiry: datetime | None,
    hold_unknown: bool,
    policy: Policy,
    random: Callable[[], float],
) -> Branch:
    """What becomes of the recipients that met ``error``.

    ``attempt`` is the state *before* this failure. ``random`` gives a number in [0, 1). An event whose next try would
    come after its ``expiry`` is given up at once, because no further try can help it.
    """
    decision, reason = _rule(error, attempt, hold_unknown, policy, random)
    # What is put off comes to no end by its age, nor does the one resend, which has an end of its own.
    ends = isinstance(decision, Retry) and decision.counted and not isinstance(error, OutcomeUnknown)
    if isinstance(decision, Retry) and ends and attempt.age(now) + decision.after > policy.max_age:
        decision, reason = Dead(), Reason.RETRIES_EXHAUSTED
    if isinstance(decision, Retry) and expiry is not None and (expiry - now).total_seconds() <= decision.after:
        # That the mail may have arrived is the news, not that there is no time for another.
        decision, reason = Dead(), error.code if isinstance(error, OutcomeUnknown) else Reason.EXPIRED
    return Branch(decision, reason, detail=error.detail, unknown=isinstance(error, OutcomeUnknown))


def put_off(after: float, reason: Code | Reason, *, now: datetime, expiry: datetime | None) -> Branch:
    """What becomes of an event that could not leave yet, through no failure of its own: no attempt, at any age.

    ``after`` may be more than what it waits for takes, so an event whose ``expiry`` comes first comes back a moment
    before that, and is given up when it has come.
    """
    after = min(after, _LONGEST_PAUSE)
    if expiry is None:
        return Branch(Retry(after, counted=False), reason)
    left = (expiry - now).total_seconds()
    if left <= _MOMENT:
        return Branch(Dead(), Reason.EXPIRED)
    return Branch(Retry(min(after, left - _MOMENT), counted=False), reason)


def _rule(
    error: DeliveryError,
    attempt: Attempt,
    hold_unknown: bool,
    policy: Policy,
    random: Callable[[], float],
) -> tuple[Decision, Code | Reason]:
    match error:
        case AccountProblem():
            return Park(), error.code
        # A relay of ours that refuses to relay for days may mean this recipient only.
        case PlatformProblem() if error.code is not Code.RELAYING_DENIED:
            # Never less, so that it is one hop; what it meets when it comes back is the hold, or nothing.
            pause = _bounded(error.retry_after, _PLATFORM_PAUSE)
            return Retry(pause + _LONGEST_SPREAD * random(), counted=False), error.code
        case OutcomeUnknown():
            if hold_unknown or attempt.unknown:
                return Dead(), error.code
            return Retry(_spread(policy.unknown_pause, policy.jitter, random)), error.code
        case Permanent():
            return Dead(), error.code
        case Throttled():
            # Never earlier than the provider said, and hardly later: it knows best when it takes mail again.
            pause = _bounded(error.retry_after, _THROTTLE_PAUSE)
            spread = min(pause * policy.jitter, _LONGEST_SPREAD)
            return Retry(pause + spread * random(), counted=False), error.code
        case _:
            return _temporary(error, attempt, policy, random)


def _temporary(
    error: DeliveryError, attempt: Attempt, policy: Policy, random: Callable[[], float]
) -> tuple[Decision, Code | Reason]:
    unclassified = error.code in (Code.UNKNOWN_REPLY, Code.INTERNAL_ERROR)
    if unclassified and attempt.number + 1 >= policy.unknown_code_tries:
        return Dead(), error.code
    # The exponent of a schedule is its index: clamped, so that no count can overflow it.
    pause = _spread(policy.schedule[min(attempt.number, len(policy.schedule) - 1)], policy.jitter, random)
    if error.retry_after is not None:
        pause = max(pause, _bounded(error.retry_after, pause))
    return Retry(pause), error.code


def _bounded(seconds: float | None, default: float) -> float:
    if seconds is None or not seconds > 0:
        return default
    return min(seconds, _LONGEST_PAUSE)


def _spread(seconds: float, jitter: float, random: Callable[[], float]) -> float:
    return seconds * (1 + jitter * (2 * random() - 1))


def tier(seconds: float, tiers: tuple[int, ...]) -> int:
    """The wait queue for a pause: the largest that fits, so that nothing comes back early by more than a second.

    ``tiers`` are ascending.
    """
    return tiers[max(bisect_right(tiers, seconds) - 1, 0)]
