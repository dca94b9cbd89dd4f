"""One breaker as a process keeps it: its state, whom it concerns, and how memory and the table stand to each other."""

from dataclasses import dataclass, field
from typing import Final

from consumer.breaker import Breaker, Rules

_MOST: Final = 1000
"""Accounts remembered of one breaker."""


@dataclass(slots=True)
class Entry:
    """One breaker. ``local``: it is about this process only and has no row.

    ``accounts`` are those whose failures count now, ``concerned`` those whose mail it held; ``turned`` counts the mails
    that were turned away since the last probe. ``saved``: a row says that it is open; ``owed``: the table may say
    something else than memory does.
    """

    key: str
    rules: Rules
    local: bool = False
    breaker: Breaker = field(default_factory=Breaker)
    reason: str = ""
    accounts: dict[str, None] = field(default_factory=dict)
    concerned: dict[str, None] = field(default_factory=dict)
    turned: int = 0
    claim: str | None = None
    saved: bool = False
    pending: int = 0
    written: int = 0
    owed: bool = False

    def ours(self, now: float) -> bool:
        """Whether our own probe is under way and not taken for lost."""
        return self.claim is not None and now < self.breaker.due

    def blame(self, account: str) -> None:
        """A failure of this account counts now."""
        _add(self.accounts, account)

    def concern(self, account: str) -> None:
        """A mail of this account was turned away."""
        self.turned += 1
        _add(self.concerned, account)


def _add(names: dict[str, None], name: str) -> None:
    if len(names) < _MOST:
        names[name] = None
