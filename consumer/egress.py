"""Whether it is our own network that fails: pure, with the clock as an argument.

Servers of different organisations do not go silent together by chance while nobody else answers.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from consumer.attribution import SILENT
from transports.errors import Code

WINDOW: Final = 30.0
"""Seconds within which the failures must be met."""

ENDPOINTS: Final = 3
"""Distinct servers that must have failed."""

QUIET: Final = 5.0
"""Seconds without an answer, and since the first failure: where many send, somebody answers sooner."""

_KEPT: Final = 1000
_FRESH_TRIES: Final = 10
"""Servers that were not tried yet during a hold, and may be before its probe is due."""


class Outage(StrEnum):
    """What of ours fails."""

    EGRESS = "egress"
    DNS = "dns"


@dataclass(slots=True)
class Egress:
    """What one process saw of the servers it sends to; the platform's own relay is none of them."""

    _failures: OrderedDict[tuple[str, str], tuple[float, bool]] = field(default_factory=OrderedDict)
    _answered: float = float("-inf")
    _since: float = float("-inf")
    _tried: set[str] = field(default_factory=set)

    def failed(self, endpoint: str, account: str, code: Code, now: float) -> None:
        """Notes that a server could not be reached for an account."""
        if code not in SILENT:
            return
        self._forget(now)
        if not self._failures:
            self._since = now
        self._failures[endpoint, account] = (now, code is Code.NAME_NOT_FOUND)
        self._failures.move_to_end((endpoint, account))

    def verdict(self, now: float) -> Outage | None:
        """What is down, if what was seen proves it."""
        self._forget(now)
        if now - max(self._answered, self._since) < QUIET:
            return None
        if len({endpoint for endpoint, _ in self._failures}) < ENDPOINTS:
            return None
        return Outage.DNS if all(unnamed for _, unnamed in self._failures.values()) else Outage.EGRESS

    def _forget(self, now: float) -> None:
        while self._failures:
            oldest, _ = next(iter(self._failures.values()))
            if len(self._failures) <= _KEPT and now - oldest <= WINDOW:
                return
            self._failures.popitem(last=False)

    def answered(self, now: float) -> None:
        """Notes that some server answered: the network works."""
        self._answered = now
        self._failures.clear()
        self._tried.clear()

    def suspects(self) -> tuple[tuple[str, str], ...]:
        """The servers whose failures made the proof, each with an account that met one."""
        return tuple(self._failures)

    def fresh(self, endpoint: str) -> bool:
        """Whether a server was not tried since the outage began, so that trying it before the time may prove it over.

        True for a few servers only: the others wait for the probe's time.
        """
        known = endpoint in self._tried or any(endpoint == failed for failed, _ in self._failures)
        return not known and len(self._tried) < _FRESH_TRIES

    def tried(self, endpoint: str) -> None:
        """A mail to this server is the probe."""
        self._tried.add(endpoint)
