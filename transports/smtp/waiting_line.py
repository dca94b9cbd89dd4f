"""First come, first served: those who wait until something of a pool has changed. No wake-up is ever lost."""

import asyncio
from collections import deque


class WaitingLine:
    """Each wake-up reaches one who still waits, the one who came first."""

    def __init__(self) -> None:
        self._waiters: deque[asyncio.Future[None]] = deque()

    async def changed(self) -> None:
        """Returns at a wake-up; the caller then looks again, as somebody else may have been quicker."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            # A wake-up that reached someone who no longer waits is passed on.
            if waiter.done() and not waiter.cancelled():
                self.wake()
            raise
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def wake(self, *, everyone: bool = False) -> None:
        """Wakes the first, or ``everyone``."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                if not everyone:
                    return
