"""The stages of a check: collected, timed and told as each one ends."""

from collections.abc import Callable, Sequence

from transports.errors import DeliveryError
from transports.protocol import Facts, OnStage, Stage

ORDER = ("address", "connect", "tls", "sign_in", "sender")


class Stages:
    """A stage that was passed is not entered again (a token that was renewed). ``clock`` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float], on_stage: OnStage | None = None) -> None:
        self._clock = clock
        self._on_stage = on_stage
        self._ended: list[Stage] = []
        self._name = ""
        self._since = 0.0
        self._facts: Facts = ()

    @property
    def current(self) -> str:
        """The stage under way."""
        return self._name or ORDER[0]

    def enter(self, name: str) -> None:
        """``name`` begins; a new stage means that the one before was passed."""
        if name == self._name or (self._name and ORDER.index(name) < ORDER.index(self._name)):
            return
        self._finish()
        self._name, self._since, self._facts = name, self._clock(), ()

    def learn(self, name: str, facts: Facts) -> None:
        """What is worth showing of stage ``name``; no use when that one is over."""
        if name == self._name:
            self._facts = facts

    def passed(self) -> Sequence[Stage]:
        """All stages, all of them passed."""
        self._finish()
        return tuple(self._ended)

    def failed(self, error: DeliveryError) -> Sequence[Stage]:
        """The stages passed and the one that failed."""
        seconds = self._clock() - self._since if self._name else 0.0
        self._end(Stage(self.current, False, seconds, error.code, error.detail, self._facts))
        return tuple(self._ended)

    def _finish(self) -> None:
        if self._name:
            self._end(Stage(self._name, True, self._clock() - self._since, facts=self._facts))

    def _end(self, stage: Stage) -> None:
        self._ended.append(stage)
        if self._on_stage is not None:
            self._on_stage(stage)
