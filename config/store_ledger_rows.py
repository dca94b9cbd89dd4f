"""What a row of the account of events says, and what can be done to rows in one transaction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple, Protocol

KEY_BYTES: Final = 16
MARK_BYTES: Final = 8
REASON_LENGTH: Final = 64
LANE_LENGTH: Final = 128

HOUR: Final = 3_600_000
"""Milliseconds."""


class Stands(IntEnum):
    """What a row's ``state`` says; the numbers are in the database and never change.

    A start remembers what stood before it, because that is what stands again when nothing came of it.
    """

    STARTED = 1
    STARTED_OWED = 2
    STARTED_UNKNOWN = 3
    OWED = 10
    UNKNOWN = 11
    DONE = 12
    DEAD = 13

    @property
    def started(self) -> bool:
        """Whether a send was begun and no end of it is known."""
        return self < Stands.OWED


class Row(NamedTuple):
    """One event. ``at`` is in milliseconds since 1970, by the database's clock; it is set by whoever writes the row.

    ``owed`` are positions of recipients with commas. ``copy`` names the copy of the message that wrote the state,
    ``mark`` the last start (or the conclusion) of it.
    """

    key: bytes
    state: int
    at: int
    owed: str | None
    reason: str | None
    copy: bytes
    mark: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """What is common, for one transaction; a key occurs once in all of it.

    ``starts`` are (key, copy, mark): rows that are not there yet. ``done`` and ``gone`` are (key, mark): rows that this
    very start had marked; they become DONE, or disappear if nothing stood before the start. ``lanes`` are (key,
    memory).
    """

    starts: Sequence[tuple[bytes, bytes, bytes]] = ()
    done: Sequence[tuple[bytes, bytes]] = ()
    gone: Sequence[tuple[bytes, bytes]] = ()
    lanes: Sequence[tuple[str, bytes]] = ()


class Counts(NamedTuple):
    """How many rows of a batch were written; whoever finds fewer than given looks at them one by one."""

    starts: int = 0
    done: int = 0
    gone: int = 0


class LedgerDatabase(Protocol):
    """A connection. Blocking; every method is one transaction, which any error leaves in doubt, and the connection used
    up."""

    def commit(self, batch: Batch) -> Counts:
        """Writes a batch, durably."""
        ...

    def look(self, keys: Collection[bytes]) -> tuple[Mapping[bytes, Row], int]:
        """The rows that are there, and the time in milliseconds."""
        ...

    def swap(self, old: Row | None, new: Row | None) -> bool:
        """Writes ``new`` where ``old`` stands unchanged (``None``: no row), durably; whether it did."""
        ...

    def lane(self, key: str) -> bytes | None:
        """What is remembered of a lane."""
        ...

    def prune(self, ledger_hours: int, lane_hours: int, limit: int) -> int:
        """Forgets at most ``limit`` events last started, and as many lanes last written, before so many hours ago.

        Returns the larger of the two numbers forgotten.
        """
        ...

    def interrupt(self) -> None:
        """Makes what runs in another thread fail."""
        ...

    def close(self) -> None:
        """Closes the connection, whatever its state."""
        ...
