"""One breaker as a process keeps it: its state, whom it concerns, and how memory and the table stand to each other."""

from dataclasses import dataclass, field
from typing import Final

from consumer.breaker import Breaker, Rules
from consumer.breaker_waits import Crowd

_MOST: Final = 1000
"""Accounts remembered of one breaker."""


@dataclass(slots=True)
class Entry:
    """One breaker. ``local``: it is about this process only and has no row.

    ``accounts`` are those whose failures count now, with the time of the last one that did, ``concerned`` those whose
    mail it held; ``away`` are the mails that were turned away and are not back yet. ``since`` is when it was opened, or
    roughly so if another process did. ``saved``: a row says that it is open; ``owed``: the table may say something else
    than memory does.
    """

    key: str
    rules: Rules
    local: bool = False
    breaker: Breaker = field(default_factory=Breaker)
    reason: str = ""
    accounts: dict[str, float] = field(default_factory=dict)
    concerned: dict[str, None] = field(default_factory=dict)
    away: Crowd = field(default_factory=Crowd)
    since: float = 0.0
    claim: str | None = None
    saved: bool = False
    pending: int = 0
    written: int = 0
    owed: bool = False

    def ours(self, now: float) -> bool:
        """Whether our own probe is under way and not taken for lost."""
        return self.claim is not None and now < self.breaker.due

    def holds(self, token: str, until: float) -> bool:
        """Whether the probe of this name is under way and not taken for lost before ``until``."""
        return self.claim == token and self.breaker.due >= until

    def apart(self, account: str, now: float) -> bool:
        """Whether no failure of this account was counted a moment ago."""
        return now - self.accounts.get(account, float("-inf")) >= self.rules.together

    def blame(self, account: str, now: float) -> None:
        """A failure of this account counts now."""
        if account in self.accounts or len(self.accounts) < _MOST:
            self.accounts[account] = now

    def concern(self, account: str) -> None:
        """A mail of this account was turned away."""
        if len(self.concerned) < _MOST:
            self.concerned[account] = None
