"""The phases of a check told as the stages an administrator knows."""

from collections.abc import Callable, Sequence

from transports.errors import DeliveryError
from transports.protocol import Stage
from transports.smtp.phases import Phase

_STAGES: dict[Phase, str] = {
    Phase.ADDRESS: "address",
    Phase.CONNECT: "connect",
    Phase.STARTTLS: "tls",
    Phase.TLS: "tls",
    Phase.AUTH: "sign_in",
    Phase.MAIL: "sender",
}
"""Greeting and EHLO belong to whatever stage is under way: with implicit TLS they come after the handshake."""

_ORDER = ("address", "connect", "tls", "sign_in", "sender")


class Stages:
    """Collects stages from phases. A stage that was passed is not entered again (a token that was renewed)."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._passed: list[Stage] = []
        self._name = ""
        self._since = 0.0

    def enter(self, phase: Phase) -> None:
        """Told of every phase; a new stage means that the one before was passed."""
        name = _STAGES.get(phase, self._name)
        if name == self._name or (self._name and _ORDER.index(name) < _ORDER.index(self._name)):
            return
        self._finish()
        self._name, self._since = name, self._clock()

    def passed(self) -> Sequence[Stage]:
        """All stages, all of them passed."""
        self._finish()
        return tuple(self._passed)

    def failed(self, error: DeliveryError) -> Sequence[Stage]:
        """The stages passed and the one that failed."""
        name = self._name or _ORDER[0]
        seconds = self._clock() - self._since if self._name else 0.0
        return (*self._passed, Stage(name, False, seconds, error.code, error.detail))

    def _finish(self) -> None:
        if self._name:
            self._passed.append(Stage(self._name, True, self._clock() - self._since))
