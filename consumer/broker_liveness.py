"""Notices that this process has been standing still, before it acts on what it believed before.

A process can be frozen (SIGSTOP, a paused container, a swapped-out or suspended machine) for longer than the broker
waits for heartbeats. The broker has then closed our connections and given our deliveries to another replica, but
nothing in this process knows: the sockets still hold deliveries from before, and they are read first. Sending those
mails would send them twice. So a tick once a second notes the clock, and everything that is about to act on a
delivery asks first how old that note is.

The limit is one and a half heartbeat intervals. RabbitMQ gives a connection up when it heard nothing for two
intervals, and pika sends at least every half interval; so one and a half after our last sign of life nobody can
have given our deliveries away. The same bound holds for a peer that has gone silent, as RabbitMQ sends every half
interval too (``rabbit_heartbeat.erl``).
"""

from collections.abc import Callable


class Liveness:
    """The age of the event loop's last tick, and what to do when it is too old.

    ``clock`` must go on while the process is stopped, as ``time.monotonic`` does. ``on_gap`` is called with the
    seconds that were lost; it has to make every earlier delivery stale before it returns.
    """

    def __init__(self, clock: Callable[[], float], heartbeat: float, on_gap: Callable[[float], None]) -> None:
        self.limit = heartbeat * 1.5
        self.interval = min(1.0, heartbeat / 8)
        self._clock = clock
        self._on_gap = on_gap
        self._last = clock()

    def fresh(self) -> bool:
        """Whether the loop has been running; if not, calls ``on_gap`` once and starts anew."""
        now = self._clock()
        gap = now - self._last
        if gap <= self.limit:
            return True
        self._last = now
        self._on_gap(gap)
        return False

    def tick(self) -> float:
        """Note that the loop runs, after checking for a gap; returns the clock."""
        self.fresh()
        self._last = self._clock()
        return self._last

    def now(self) -> float:
        """The clock."""
        return self._clock()
