"""Which account a lane leads to, by its fingerprint, and when it is another one. Pure."""

from enum import Enum, auto
from typing import Final

_LATE: Final = 10.0
"""Seconds for which mail may still ask by what the route was before: it will find out before it is sent."""


class Change(Enum):
    """What a fingerprint says."""

    NONE = auto()
    LATE = auto()
    """That is the account before."""

    OTHER = auto()


class Name:
    """The fingerprint of the account that is used ``now``; empty while it is not known."""

    __slots__ = ("_at", "_before", "now")

    def __init__(self, account: str) -> None:
        self.now = account
        self._before = ""
        self._at = 0.0

    def change(self, account: str, now: float) -> Change:
        """Takes note of what a mail asks for."""
        if not account or account == self.now:
            return Change.NONE
        if account == self._before and now < self._at + _LATE:
            return Change.LATE
        known, self._before, self._at, self.now = bool(self.now), self.now, now, account
        return Change.OTHER if known else Change.NONE
