"""What a lane learns in use: how long a mail takes, and that its provider wants less than was agreed. Pure."""

from dataclasses import dataclass
from typing import Final

from config.limits import Limits
from transports.errors import Code, DeliveryError, Throttled

RECOVERY: Final = 300.0
"""Seconds without another complaint after which one step is taken back."""

_LEAST_SHARE: Final = 0.5
_STEP: Final = 0.1
_FIRST_PAUSE: Final = 5.0
_LONGEST_PAUSE: Final = 60.0
"""Seconds to pause for a provider that does not say how long: doubled from the first while nothing is accepted."""

_LONGEST_HOLD: Final = 24 * 3600.0
_USUAL: Final = 0.02
"""Seconds that a mail is taken to need before any was sent: little, as a backlog would be put off by a guess."""

_WEIGHT: Final = 0.2


@dataclass(slots=True)
class Learning:
    """The state of one lane. ``less`` connections than agreed, ``share`` of the rate, ``usual`` seconds a mail takes.

    ``hold`` is the moment until which the provider wants no mail at all; ``complained`` when it last did.
    """

    less: int = 0
    share: float = 1.0
    usual: float = _USUAL
    hold: float = 0.0
    complained: float = 0.0
    pause: float = _FIRST_PAUSE

    def concurrency(self, limits: Limits, now: float) -> int:
        """Mails that may be under way at once."""
        if self.less or self.share < 1.0:
            self._recover(now)
        return max(1, limits.concurrency - self.less)

    def spacing(self, limits: Limits) -> float:
        """Seconds between two starts at least; 0 without a limit by the minute."""
        return 0.0 if limits.per_minute is None else 60.0 / limits.per_minute / self.share

    def forgive(self) -> None:
        """Forgets all complaints."""
        self.less, self.share, self.hold = 0, 1.0, 0.0

    def took(self, seconds: float) -> None:
        """A mail took so long from start to end."""
        self.usual += _WEIGHT * (seconds - self.usual)

    def answered(self, error: DeliveryError | None, limits: Limits, began: float, now: float, others: int) -> bool:
        """Learns from an answer to a mail begun at ``began``, with ``others`` under way; whether anything changed."""
        if not isinstance(error, Throttled) or error.code is Code.NO_CONNECTION_FREE:
            self.pause = _FIRST_PAUSE
            return False
        # One complaint may be told to every mail that was under way.
        if began >= self.complained:
            self._step_down(limits, error.code)
        self.complained = now
        if error.code is not Code.TOO_MANY_CONNECTIONS or not others:
            self._hold_until(now, error.retry_after)
        return True

    def _step_down(self, limits: Limits, code: Code) -> None:
        self.less = min(self.less + 1, limits.concurrency - 1)
        if code is not Code.TOO_MANY_CONNECTIONS and limits.per_minute is not None:
            self.share = max(_LEAST_SHARE, self.share - _STEP)

    def _hold_until(self, now: float, seconds: float | None) -> None:
        if seconds is None or not seconds > 0:
            if now < self.hold:
                return
            seconds, self.pause = self.pause, min(2 * self.pause, _LONGEST_PAUSE)
        self.hold = max(self.hold, now + min(seconds, _LONGEST_HOLD))

    def _recover(self, now: float) -> None:
        while (self.less or self.share < 1.0) and now - self.complained >= RECOVERY:
            self.less = max(0, self.less - 1)
            self.share = min(1.0, self.share + _STEP)
            self.complained += RECOVERY
