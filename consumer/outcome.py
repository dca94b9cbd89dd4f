"""The values between deciding and acting: what shall become of an event, or of some of its recipients."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from consumer.attempt import Attempt
from consumer.ledger import Record
from transports.errors import Code


class Reason(StrEnum):
    """Reason codes of our own, beside the transports' :class:`~transports.errors.Code`. A closed set as well."""

    INVALID_EVENT = "invalid_event"
    EXPIRED = "expired"
    RETRIES_EXHAUSTED = "retries_exhausted"
    POISON = "poison"
    PARKED_TOO_LONG = "parked_too_long"
    UNSUPPORTED_TRANSPORT = "unsupported_transport"
    SETTINGS_UNREADABLE = "settings_unreadable"
    NOT_YET = "not_yet"
    MISROUTED = "misrouted"
    RENEWED = "renewed"
    PACED = "paced"
    CROWDED = "crowded"
    BREAKER_OPEN = "breaker_open"
    PLATFORM_HOLD = "platform_hold"
    IN_PROGRESS = "in_progress"
    DUPLICATE = "duplicate"
    SETTLED_BEFORE = "settled_before"


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again ``after`` seconds. A retry that is not ``counted`` does not bring the event nearer to its end."""

    after: float
    counted: bool = True


@dataclass(frozen=True, slots=True)
class Park:
    """Keep it until a person has mended the organisation's account."""


@dataclass(frozen=True, slots=True)
class Dead:
    """Give it up: a dead letter with a reason."""


@dataclass(frozen=True, slots=True)
class Reroute:
    """It stands in a queue that is not its organisation's: stamp it and send it round once more."""

    partition: str


@dataclass(frozen=True, slots=True)
class Drop:
    """It has ended already, by another copy of it: acknowledge and count it."""


Decision = Retry | Park | Dead | Reroute | Drop


@dataclass(frozen=True, slots=True)
class Branch:
    """What becomes of the recipients at ``owed`` (``None``: all of them), and why.

    ``detail`` is safe to store; ``path`` is the field of an invalid event; ``unknown`` says that the mail may have been
    accepted, ``unfinished`` that this was found after the death of a process.
    """

    decision: Decision
    reason: Code | Reason
    owed: tuple[int, ...] | None = None
    detail: str = ""
    path: str = ""
    unknown: bool = False
    unfinished: bool = False


@dataclass(frozen=True, slots=True)
class Closing:
    """What the ledger is still to be told of an event once all its branches are published."""

    key: bytes
    copy: bytes
    record: Record
    mark: bytes = b""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The end of one delivery: who was handed off, and a branch for everybody else.

    A verdict without branches is done: the event can be acknowledged.
    """

    transport: str
    accepted: tuple[int, ...] = ()
    branches: tuple[Branch, ...] = ()
    closing: Closing | None = None


class NotBegun(Exception):
    """The delivery was given up before anything of its mail left; it is to be neither settled nor acknowledged."""


Begin = Callable[[], Awaitable[bool]]
"""Asked right before a mail leaves: whether it may. It may wait first; ``False`` ends the delivery as NotBegun."""


async def at_once() -> bool:
    """Lets every mail begin."""
    return True


def nothing() -> None:
    """Does nothing."""


@dataclass(frozen=True, slots=True)
class Hand:
    """One delivery of a message by the broker, as far as it concerns what becomes of its event.

    ``partition`` is that of its queue. ``copy`` names this copy of the message, or the one that it goes on for;
    ``redelivered``: that may have been in somebody's hand before. ``received`` is the reading of the monotonic clock
    when it came. ``ready`` waits until mails may begin at all, ``begin`` is asked right before one leaves, and
    ``answered`` is told when its provider has answered: whatever happens, that is to be settled.
    """

    copy: bytes = b""
    partition: str = ""
    received: float = 0.0
    redelivered: bool = False
    begin: Begin = at_once
    ready: Begin = at_once
    answered: Callable[[], None] = nothing


@dataclass(slots=True)
class Progress:
    """How far a finding was acted on: the branches whose copies are published, and whether its hand-off was told and
    its end counted."""

    published: set[int] = field(default_factory=set)
    copies: dict[int, str] = field(default_factory=dict)
    told: bool = False
    counted: bool = False


@dataclass(frozen=True, slots=True)
class Label:
    """What is still known of an event when its mail is gone: nothing of a person, and a few hundred bytes."""

    id: str
    organization_id: str
    category: str
    time: datetime | None
    expiry: datetime | None


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict with what it is about. ``event`` is ``None`` when the message could not be, or need not be, read."""

    attempt: Attempt
    event: Label | None
    verdict: Verdict
