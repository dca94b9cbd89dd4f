"""The account of every event: what was begun, handed off and owed. It answers before a send and records before an ack.

Of an event it knows a keyed hash, a state, a time, positions of recipients and a reason code: nothing of a person.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class State(StrEnum):
    """What is on record of an event."""

    NEW = "new"
    """Nothing, or nothing that matters any more: it may be sent."""

    STARTED = "started"
    """A send began and no end of it is known."""

    OWED = "owed"
    """Some recipients have it; the others, at ``Standing.owed``, are owed. With a reason those of the copy that wrote
    it are given up, and only its dead letter may be missing."""

    UNKNOWN = "unknown"
    """A send ended without an answer; one resend is allowed, to a copy that was republished for it."""

    DONE = "done"
    """Handed off to everybody who is to have it."""

    DEAD = "dead"
    """Given up as a dead letter, with ``Standing.reason``."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the ledger answers.

    ``began`` says that the event is now marked as started by this call, and only then may a mail leave; ``state`` is
    then what it was before (NEW, OWED or UNKNOWN). ``owed`` are the positions still owed, kept through STARTED and
    UNKNOWN once some recipients have the mail; ``None``: nobody is known to have it.
    ``age`` is how long ago, in seconds, the state was written. ``same_copy``: it was this very copy of the message that
    ended so, hence its republished branches may be missing (a crash between the record and the publishing).
    """

    state: State
    began: bool = False
    owed: tuple[int, ...] | None = None
    age: float = 0.0
    reason: str = ""
    same_copy: bool = False
    mark: bytes = field(default=b"", compare=False, repr=False)
    """Which start the answer is about; the ledger's own concern."""


@dataclass(frozen=True, slots=True)
class Record:
    """How a begun send ended: ``NEW`` (nobody has it, it may be sent again), OWED, UNKNOWN, DONE or DEAD."""

    state: State
    owed: tuple[int, ...] | None = None
    reason: str = ""


class Ledger(Protocol):
    """Questions raise StoreUnavailable; ``copy`` names one copy of a message (``mailroom-copy``, or the original)."""

    def key(self, organization: str, source: str, event_id: str) -> bytes:
        """The keyed hash of an event's identity."""
        ...

    async def begin(self, key: bytes, copy: bytes, *, resend: bool) -> Standing:
        """Asks, and marks the event as started if a send may begin: it is NEW, or OWED, or UNKNOWN and ``resend``.

        With OWED the standing has the positions. Durable when it returns.
        """
        ...

    async def end(self, key: bytes, copy: bytes, record: Record, mark: bytes = b"") -> State:
        """Records how what was begun has ended; durable when it returns. Recording the same twice changes nothing.

        ``mark`` is that of the standing: two copies of an event may have one name, if its bytes were published twice.

        It may also be a start of somebody else that :meth:`begin` found for this copy, and that is too old by now.
        Returns what is on record then: another state than the one given if somebody else has come to know better.
        ``NEW`` puts back what stood before the start. After ``OWED`` or ``UNKNOWN`` the same start may be ended again.

        It is recorded even if the caller is cancelled, and after the database was away for however long.
        """
        ...
