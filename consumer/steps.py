"""The named steps of one event, for whoever wants to watch them (tests of what a crash costs at each)."""

from collections.abc import Callable
from enum import StrEnum


class Step(StrEnum):
    """A step that has just been reached. Between two of them a process may die; the ledger says what then happens."""

    RECEIVED = "received"
    CHECKED = "checked"
    """The ledger has let the mail begin, durably."""

    SENDING = "sending"
    HANDED_OFF = "handed_off"
    RECORDED = "recorded"
    """The ledger has the outcome, durably."""

    PUBLISHED = "published"
    """What must live on is confirmed by the broker."""

    ACKNOWLEDGING = "acknowledging"


Watch = Callable[[Step, str], None]
"""Called with the step and the event's id, from within the event loop."""


def nobody(step: Step, event_id: str) -> None:
    """Watches nothing."""
