"""What keeps the platform itself from sending, told to who is on call: a metric while it lasts, a line now and then.

Nobody's account is suspended for a fault of ours, so nothing else would say aloud that all who send by a provider wait.
"""

from collections.abc import Callable
from typing import Final

from config.logs import get_logger
from consumer.metrics import Metrics
from transports.errors import PlatformProblem

log = get_logger(__name__)

OVER_AFTER: Final = 300.0
"""Seconds without another one after which a problem is taken for over; mails that wait for it are tried more often."""
_SAY_AGAIN: Final = 300.0


class PlatformTrouble:
    """For one event loop; ``clock`` is monotonic, in seconds."""

    def __init__(self, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._metrics = metrics
        self._clock = clock
        self._met: dict[tuple[str, str], float] = {}
        self._said: dict[tuple[str, str], float] = {}
        metrics.before_scrape(self.settle)

    def met(self, transport: str, error: PlatformProblem) -> None:
        """A mail could not be sent by this transport for a fault of ours."""
        self.settle()
        key, now = (transport, str(error.code)), self._clock()
        if now - self._said.get(key, float("-inf")) >= _SAY_AGAIN:
            self._said[key] = now
            log.error("the platform cannot send", transport=transport, code=str(error.code), detail=error.detail)
        self._met[key] = now
        self._metrics.platform_problem(*key, there=True)

    def over(self, transport: str) -> None:
        """Mail leaves by this transport again."""
        for key in [key for key in self._met if key[0] == transport]:
            self._end(key)

    def settle(self) -> None:
        """Takes for over what was not met for long."""
        for key, at in list(self._met.items()):
            if self._clock() - at >= OVER_AFTER:
                self._end(key)

    def _end(self, key: tuple[str, str]) -> None:
        del self._met[key], self._said[key]
        self._metrics.platform_problem(*key, there=False)
        log.info("the platform can send again", transport=key[0], code=key[1])
