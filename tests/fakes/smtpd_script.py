"""What a fake SMTP server does instead of behaving: rules by phase, each used as often as it says."""

import threading
from dataclasses import dataclass, field
from enum import Enum


class Wire(Enum):
    """What may happen to the connection instead of a reply."""

    CUT = "the connection is reset"
    HANG = "no reply, ever"
    TAKE_AND_CUT = "after the final dot: the mail is taken, then the connection is reset"
    TAKE_AND_HANG = "after the final dot: the mail is taken, but the reply never comes"


@dataclass(frozen=True, slots=True)
class Hold:
    """After the final dot: nothing is said until ``release`` is set, then the server behaves."""

    release: threading.Event = field(default_factory=threading.Event)


Action = str | Wire | Hold
"""A reply (``"450 4.2.0 not now"``; after a 421 the connection is closed) or what happens to the wire."""


@dataclass(slots=True)
class Rule:
    """``phase`` is GREETING, TLS, UPLOAD (within the message), BODY (after the final dot) or a verb."""

    phase: str
    action: Action
    match: str
    left: int | None

    def fits(self, phase: str, argument: str) -> bool:
        """Whether this rule is for that command and not used up."""
        return self.phase == phase and self.match in argument and self.left != 0


@dataclass(slots=True)
class Script:
    """Rules in order; the first that fits decides. Safe to change from another thread while the server runs."""

    rules: list[Rule] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def on(self, phase: str, action: Action, *, match: str = "", times: int | None = None) -> "Script":
        """Adds a rule: at ``phase``, when the argument contains ``match``, do ``action`` (``times`` times)."""
        with self._lock:
            self.rules.append(Rule(phase.upper(), action, match, times))
        return self

    def clear(self) -> None:
        """The server behaves again."""
        with self._lock:
            self.rules.clear()

    def action(self, phase: str, argument: str = "") -> Action | None:
        """What to do now, or None to behave; uses the rule up by one."""
        with self._lock:
            for rule in self.rules:
                if rule.fits(phase, argument):
                    if rule.left is not None:
                        rule.left -= 1
                    return rule.action
        return None
