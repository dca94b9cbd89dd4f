"""The categories of events: the closed set that becomes metric labels, and which of them are treated with more care."""

from typing import Final

CATEGORIES: Final = frozenset(
    {
        "task",
        "comment",
        "request",
        "invitation",
        "reminder",
        "compliance_alert",
        "rights_request",
        "audit",
        "incident",
        "workflow",
        "other",
    }
)
"""Any other word in an event's type counts as ``other``."""

HOLD_UNKNOWN: Final = frozenset({"rights_request"})
"""Categories whose mail is not sent again when nobody knows whether it arrived: an exchange with legal deadlines must
not reach its reader twice unseen. All others are rather read twice than never."""
NONE: Final = "none"
"""The word for no category at all, where a list of them is asked for."""


def categories(text: str) -> frozenset[str]:
    """A list such as ``rights_request,audit``, or ``none``.

    Raises:
        ValueError: with half a sentence that repeats nothing of the text.
    """
    words = [word for part in text.split(",") if (word := part.strip().lower())]
    if words == [NONE]:
        return frozenset()
    if not words or not CATEGORIES.issuperset(words):
        raise ValueError(f"has a word that is none of {', '.join(sorted(CATEGORIES))}")
    return frozenset(words)
