"""Who is told that breakers are open: the metrics, whoever is on call, and the mails that wait in hand."""

from collections.abc import Mapping
from typing import Final

from config.breaker_keys import ACCOUNT, ENDPOINT, PLATFORM
from consumer.breaker_entry import Entry
from consumer.breaker_verdicts import holds_many, kind_of, name_of
from consumer.holding import PlatformHold
from consumer.metrics_pacing import PacingMetrics
from consumer.platform_trouble import PlatformTrouble
from transports.errors import Code, PlatformProblem

_CODES: Final = {code.value: code for code in Code}


class Telling:
    """Looks at the open breakers, by key; their mapping is read anew each time."""

    def __init__(self, metrics: PacingMetrics, trouble: PlatformTrouble, holding: PlatformHold) -> None:
        self._metrics = metrics
        self._trouble = trouble
        self._holding = holding
        self._told: set[str] = set()

    def changed(self, opened: Mapping[str, Entry]) -> None:
        """Something opened or closed."""
        holds = _holds(opened)
        self._metrics.open_breakers(organizations(opened).keys())
        self._metrics.platform_holds(holds)
        for scope in self._told - holds.keys():
            self._trouble.over(scope)
        self._told = set(holds)
        self._holding.held([key for key in opened if holds_many(key)])

    def remind(self, opened: Mapping[str, Entry]) -> None:
        """Keeps alive what is told of holds: their probes may come seldom."""
        for scope, reason in _holds(opened).items():
            self._trouble.met(scope, PlatformProblem(_code(reason)))
        self._metrics.open_breakers(organizations(opened).keys())


def organizations(opened: Mapping[str, Entry]) -> dict[str, str]:
    """Organisations whose mail is held by a breaker of their account or server, with the reason code."""
    found: dict[str, str] = {}
    for key, entry in opened.items():
        if kind_of(key) == ACCOUNT:
            found[name_of(key)] = entry.reason
        elif kind_of(key) == ENDPOINT:
            found.update(dict.fromkeys(entry.accounts | entry.concerned, entry.reason))
    return found


def _holds(opened: Mapping[str, Entry]) -> dict[str, str]:
    return {name_of(key): entry.reason for key, entry in opened.items() if kind_of(key) == PLATFORM}


def _code(reason: str) -> Code:
    """The code of a row that a newer version may have written."""
    return _CODES.get(reason, Code.INTERNAL_ERROR)
