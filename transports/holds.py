"""How long a provider wants to be left alone: kept apart from transports, which come and go meanwhile."""

import copy
from collections.abc import Hashable

from transports.errors import DeliveryError


class Holds:
    """The longest wait that was asked for, by what it is for; at most ``most`` of them. All times are of one clock.

    When there are more, those that end first are forgotten: whoever they were for asks a little early, once.
    """

    def __init__(self, most: int = 20_000) -> None:
        self._most = most
        self._held: dict[Hashable, tuple[float, DeliveryError]] = {}

    def __len__(self) -> int:
        """How many are kept, those that have ended meanwhile included."""
        return len(self._held)

    def add(self, key: Hashable, error: DeliveryError, now: float) -> None:
        """Remembers the ``retry_after`` of ``error``, if it has one and no longer wait is known."""
        if error.retry_after is None:
            return
        until = now + error.retry_after
        known = self._held.get(key)
        if known is not None and known[0] >= until:
            return
        # A copy: the error itself holds, by its traceback, the mail that met it.
        self._held[key] = until, copy.copy(error)
        if len(self._held) > self._most:
            self._prune(now)

    def held(self, key: Hashable, now: float) -> DeliveryError | None:
        """What is met until the time has come; ``retry_after`` is what is left of it."""
        found = self._held.get(key)
        if found is None:
            return None
        until, error = found
        if until <= now:
            del self._held[key]
            return None
        held = copy.copy(error)
        held.retry_after = until - now
        return held

    def _prune(self, now: float) -> None:
        """Leaves room for a while, so that not every further one has to look through all of them."""
        latest_first = sorted(self._held.items(), key=lambda each: each[1][0], reverse=True)
        left = latest_first[: self._most - self._most // 10]
        self._held = {key: hold for key, hold in left if hold[0] > now}
