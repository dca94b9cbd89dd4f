"""What a message carries about its own past: attempts, first-seen time, recipients still owed.

It travels in headers of the message itself, so it does not depend on replicas, restarts or the broker's ``x-death``.
Headers are read defensively: a value that makes no sense counts as absent, it never makes an event undeliverable.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from consumer import names

_MAX_POSITIONS = 10_000
_EARLIEST = datetime(1970, 2, 1, tzinfo=UTC)
_LATEST = datetime(9000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Attempt:
    """The state of one event at one delivery.

    ``number`` counts the attempts that were made and failed, so 0 is a fresh event. ``unknown`` counts outcomes that
    stayed unknown, ``unfinished`` those among them that were found after the death of a process. ``owed`` are positions
    in *to + cc + bcc*, ``None`` for all. ``paused`` is the time in seconds the event spent parked, ``waited`` that it
    was put off for its turn: the clock of the retries did not run meanwhile.
    ``copy`` tells republished copies apart.
    """

    first_seen: datetime
    number: int = 0
    unknown: int = 0
    unfinished: int = 0
    owed: tuple[int, ...] | None = None
    not_before: datetime | None = None
    paused: float = 0.0
    waited: float = 0.0
    parked_at: datetime | None = None
    copy: str = ""

    def age(self, now: datetime) -> float:
        """Seconds since the event was first seen, without the time it was parked or waited for its turn."""
        return max(0.0, (now - self.first_seen).total_seconds() - self.paused - self.waited)

    def released(self, now: datetime) -> "Attempt":
        """The same attempt after parking: the time spent there is taken off its age."""
        if self.parked_at is None:
            return self
        spent = max(0.0, (now - self.parked_at).total_seconds())
        return replace(self, paused=self.paused + spent, parked_at=None, not_before=None)


def read(headers: Mapping[str, object], now: datetime) -> Attempt:
    """The attempt described by a message's headers; a message without them is fresh and first seen ``now``."""
    first_seen = _moment(headers.get(names.H_FIRST_SEEN)) or now
    return Attempt(
        first_seen=min(first_seen, now),
        number=_count(headers.get(names.H_ATTEMPT)),
        unknown=_count(headers.get(names.H_UNKNOWN)),
        unfinished=unfinished(headers),
        owed=_positions(headers.get(names.H_OWED)),
        not_before=_moment(headers.get(names.H_NOT_BEFORE)),
        paused=_seconds(headers.get(names.H_PAUSED)),
        waited=_seconds(headers.get(names.H_WAITED)),
        parked_at=_moment(headers.get(names.H_PARKED_AT)),
        copy=_text(headers.get(names.H_COPY)),
    )


def write(attempt: Attempt) -> dict[str, object]:
    """The headers that :func:`read` turns back into the same attempt (times to the millisecond)."""
    headers: dict[str, object] = {
        names.H_FIRST_SEEN: stamp(attempt.first_seen),
        names.H_ATTEMPT: attempt.number,
    }
    if attempt.unknown:
        headers[names.H_UNKNOWN] = attempt.unknown
    if attempt.unfinished:
        headers[names.H_UNFINISHED] = attempt.unfinished
    if attempt.owed is not None:
        headers[names.H_OWED] = ",".join(map(str, attempt.owed))
    if attempt.not_before is not None:
        headers[names.H_NOT_BEFORE] = stamp(attempt.not_before)
    if attempt.paused:
        headers[names.H_PAUSED] = str(int(attempt.paused))
    if attempt.waited:
        headers[names.H_WAITED] = str(round(attempt.waited, 1))
    if attempt.parked_at is not None:
        headers[names.H_PARKED_AT] = stamp(attempt.parked_at)
    if attempt.copy:
        headers[names.H_COPY] = attempt.copy
    return headers


def unfinished(headers: Mapping[str, object]) -> int:
    """How often the event was found being sent by a process that had died."""
    return _count(headers.get(names.H_UNFINISHED))


def stamp(moment: datetime) -> str:
    """A moment as RFC 3339 text in UTC with milliseconds, the form of every time in our headers."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1_000_000 else 0


def _seconds(value: object) -> float:
    if not isinstance(value, str):
        return 0.0
    try:
        seconds = float(value)
    except ValueError:
        return 0.0
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        return None
    return moment if _EARLIEST <= moment < _LATEST else None


def _positions(value: object) -> tuple[int, ...] | None:
    if not isinstance(value, str):
        return None
    parts = value.split(",")
    if not all(part.isascii() and part.isdigit() and len(part) < 6 for part in parts):
        return None
    positions = tuple(sorted({int(part) for part in parts}))
    return positions if positions[-1] < _MAX_POSITIONS else None
