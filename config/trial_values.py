"""What a trial is: one run of *Save and test*, stage by stage. Plain values."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from config.actors import Actor
from transports.errors import Code

STAGES: Final = ("address", "connect", "tls", "sign_in", "sender", "test_mail")
"""The stages in their order; ``test_mail`` is the hand-off of a mail, the others come from a transport's check."""


class TrialState(StrEnum):
    """``INTERRUPTED``: the process that ran it ended before it did."""

    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class TrialSubject(StrEnum):
    """What was tried: settings that were just entered, or those in use."""

    CANDIDATE = "candidate"
    ACTIVE = "active"


@dataclass(frozen=True, slots=True)
class TrialStage:
    """One stage that has ended; ``facts`` are safe to show (the certificate's expiry, the sign-in mechanism)."""

    name: str
    ok: bool
    seconds: float
    code: Code | None = None
    detail: str = ""
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Trial:
    """One run. ``version`` is that of the settings it is about: the tried ones, or what the candidate became.

    ``problem`` says why a trial whose stages all passed did not make its candidate the settings in use
    (``settings_changed``: somebody else changed them meanwhile). ``confirmed_at``: the code of its mail was entered.
    """

    id: str
    organization: str
    subject: TrialSubject
    state: TrialState
    kind: str
    server: str
    sender: str
    actor: Actor
    began_at: datetime
    ended_at: datetime | None = None
    stages: tuple[TrialStage, ...] = ()
    version: int | None = None
    problem: str = ""
    confirmed_at: datetime | None = None
