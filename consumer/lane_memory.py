"""What must be known of an account when another process goes on with it, as a few hundred bytes. Pure.

Times are wall-clock: seconds since 1970 here, whole milliseconds in the bytes, rounded to the careful side. Bytes that
make no sense, of a later version or damaged, are as good as none; a moment in the future is bounded, whatever a clock
that jumped has left there.
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

_VERSION: Final = 1
_MANY: Final = 120
"""Ends of sends that are kept one by one; of more only their number in each second."""

_MOST_BUSY: Final = 100_000
_MOST_BYTES: Final = 64 * 1024
_LONGEST: Final = 40 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Memory:
    """The state of a lane at the moment ``at``, by ``owner``, a name that no other process ever has.

    ``busy`` mails were under way or about to be, and none of them ends later than ``busy_until``. ``ends`` are those
    of the last minute, ``days`` pairs of half hour and count. ``high``, ``due`` and ``fresh`` are promised tails;
    ``less``, ``share``, ``usual``, ``hold`` and ``complained`` are what was learnt. All of it is about the ``account``
    with this fingerprint; empty if it is not known.
    """

    owner: str
    at: float
    last_start: float = 0.0
    busy: int = 0
    busy_until: float = 0.0
    ends: Sequence[float] = ()
    days: Sequence[tuple[int, int]] = ()
    high: float = 0.0
    due: float = 0.0
    fresh: float = 0.0
    less: int = 0
    share: float = 1.0
    usual: float = 0.0
    hold: float = 0.0
    complained: float = 0.0
    account: str = ""


def to_bytes(memory: Memory) -> bytes:
    """The memory as compact JSON; moments as milliseconds before (negative) or after ``at``."""
    at = math.ceil(memory.at * 1000)

    def later(moment: float) -> int | None:
        return math.ceil(moment * 1000) - at if moment else None

    ends = [end - at for end in _rounded(memory.ends)]
    document = {
        "v": _VERSION,
        "o": memory.owner,
        "a": memory.account or None,
        "t": at,
        "s": later(memory.last_start),
        "b": [memory.busy, later(memory.busy_until)] if memory.busy else None,
        "e": [end for pair in _counted(ends) for end in pair] if len(ends) > _MANY else ends,
        "n": True if len(ends) > _MANY else None,
        "d": [number for pair in memory.days for number in pair],
        "p": [later(tail) for tail in (memory.high, memory.due, memory.fresh)],
        "l": [memory.less, round(memory.share, 3), round(memory.usual, 4)],
        "h": later(memory.hold) if memory.hold > memory.at else None,
        "c": later(memory.complained) if memory.less or memory.share < 1 else None,
    }
    given = {name: value for name, value in document.items() if value is not None and value != []}
    return json.dumps(given, separators=(",", ":")).encode()


def from_bytes(raw: bytes) -> Memory | None:
    """What :func:`to_bytes` was given, to the millisecond (or the second, where many sends were counted together)."""
    if len(raw) > _MOST_BYTES:
        return None
    try:
        return _read(json.loads(raw))
    except (ValueError, TypeError, KeyError, LookupError, OverflowError, RecursionError, AttributeError):
        return None


def _read(document: dict[str, Any]) -> Memory | None:
    if document["v"] != _VERSION:
        return None
    at = int(document["t"])

    def moment(after: float | None) -> float:
        if after is None:
            return 0.0
        return (at + min(max(int(after), -_LONGEST * 1000), _LONGEST * 1000)) / 1000

    busy, until = document.get("b", (0, None))
    ends = document.get("e", [])
    if document.get("n"):
        ends = [end for end, count in _pairs(ends) for _ in range(min(count, 1_000_000))]
    less, share, usual = document["l"]
    if not (0 < share <= 1 and 0 <= usual < _LONGEST and 0 <= busy <= _MOST_BUSY and less >= 0):
        return None
    high, due, fresh = (moment(tail) for tail in document.get("p", (None, None, None)))
    return Memory(
        owner=str(document["o"]),
        at=at / 1000,
        last_start=moment(document.get("s")),
        busy=int(busy),
        busy_until=moment(until),
        ends=[moment(end) for end in ends],
        days=[(number, count) for number, count in _pairs(document.get("d", [])) if count > 0],
        high=high,
        due=due,
        fresh=fresh,
        less=int(less),
        share=float(share),
        usual=float(usual),
        hold=moment(document.get("h")),
        complained=moment(document.get("c")),
        account=str(document.get("a", "")),
    )


def _pairs(flat: Sequence[int]) -> list[tuple[int, int]]:
    return [(int(first), int(second)) for first, second in zip(flat[::2], flat[1::2], strict=True)]


def _rounded(ends: Iterable[float]) -> list[int]:
    return [math.ceil(end * 1000) for end in ends]


def _counted(ends: Iterable[int]) -> list[tuple[int, int]]:
    """The ends of one second as if all were at its end."""
    return [(second, len(list(group))) for second, group in groupby(ends, lambda end: -(-end // 1000) * 1000)]
