"""Waiting in hand while nothing can be sent at all.

Sending everything round the wait queues would keep the broker busy for nothing. Mails that wait here keep their place
in the prefetch instead, so that consumption pauses by itself, and go on as soon as the hold ends.

It must never hold up anybody who could be sent: as long as some mail was answered lately by a way that is not held,
mails of the held ways go aside and make room. Where nobody else was seen, somebody else's mail may still stand behind
what waits; so that makes room every quarter of a minute, for long enough to turn the prefetch over many times. What
goes aside then comes back slowly (:mod:`consumer.breaker_waits`), so this costs little; a longer wait would cost the
one who could be sent as much. Only while the database is away nobody can be sent, and all wait longer.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection
from typing import Final

from consumer.breaker_verdicts import STORE

MOST: Final = 60.0
"""Seconds for which mails wait in hand while nobody at all can be sent."""

TURN: Final = 15.0
"""Seconds for which they wait in hand otherwise, before others may come to the front."""

LOOK: Final = 5.0
"""Seconds for which they then go aside."""

OTHERS: Final = 300.0
"""Seconds since an answer on a way that is not held, for which somebody else may still want to send."""

_SHORTEST: Final = 0.05


def others_leave(held: Collection[str], answered: Collection[tuple[tuple[str, ...], float]], now: float) -> bool:
    """Whether somebody may be sending by a way that is not held: pure.

    ``held`` are the scopes on hold, ``answered`` the ways (each the scopes that could hold it) with the time of their
    last answer.
    """
    return any(now - at <= OTHERS and not held_by(held, way) for way, at in answered)


def held_by(held: Collection[str], way: tuple[str, ...]) -> bool:
    """Whether one of a way's scopes is on hold."""
    return any(scope in held for scope in way)


class PlatformHold:
    """For one event loop; ``clock`` is monotonic, ``deadline`` the send deadline in seconds.

    ``bound`` makes the context that ends a wait after so many seconds, by raising TimeoutError.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        deadline: float,
        *,
        bound: Callable[[float], contextlib.AbstractAsyncContextManager[object]] = asyncio.timeout,
    ) -> None:
        self._clock = clock
        self._deadline = deadline
        self._bound = bound
        self._held: frozenset[str] = frozenset()
        self._answered: dict[tuple[str, ...], float] = {}
        self._since: float | None = None
        self._freed = asyncio.Event()
        self.waiting = 0

    def held(self, scopes: Collection[str]) -> None:
        """The scopes on hold now. When one is over, whoever waits is woken."""
        over = self._held - frozenset(scopes)
        self._held = frozenset(scopes)
        if not self._held:
            self._since = None
        if over:
            self._freed.set()
            self._freed = asyncio.Event()

    def answered(self, way: tuple[str, ...]) -> None:
        """A mail was answered on a way; ``way`` has the scopes that could hold it."""
        self._answered[way] = self._clock()

    def everything(self) -> bool:
        """Asked for a mail that a hold of the platform turned away: whether it is to wait in hand."""
        now = self._clock()
        if self._since is None:
            self._since = now
        return self._left(now) > 0 and not others_leave(self._held, tuple(self._answered.items()), now)

    async def wait(self, after: float) -> None:
        """Waits until a hold ends, ``after`` seconds at most, and never beyond the time when all make room."""
        freed = self._freed
        self.waiting += 1
        try:
            with contextlib.suppress(TimeoutError):
                async with self._bound(max(_SHORTEST, min(after, self._left(self._clock())))):
                    await freed.wait()
        finally:
            self.waiting -= 1

    def _left(self, now: float) -> float:
        """Seconds until whoever waits makes room; none are left while they do."""
        since = now if self._since is None else self._since
        longest = min(MOST if STORE in self._held else TURN, self._deadline)
        return longest - (now - since) % (longest + LOOK)
