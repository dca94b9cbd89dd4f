"""What breakers are called, and what is told of an open one: values only, for decisions that know no database."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

ACCOUNT: Final = "account"
ENDPOINT: Final = "endpoint"
PLATFORM: Final = "platform"


def key_of(kind: str, name: str) -> str:
    """The key of a breaker: of an organisation's ``ACCOUNT``, of an ``ENDPOINT``, or of all mail of a ``PLATFORM``."""
    return f"{kind}:{name}"


@dataclass(frozen=True, slots=True)
class OpenBreaker:
    """One row. ``remaining`` is how many seconds are left until the next probe, when the row was read.

    While ``claimed_by`` is somebody, ``remaining`` is the time after which the probe is taken for lost. ``pause`` is
    in seconds, ``failures`` counts what was seen without an answer.
    """

    key: str
    reason: str
    opened_at: datetime
    remaining: float
    pause: float
    failures: int
    claimed_by: str | None
