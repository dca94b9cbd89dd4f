"""The seam through which a pool tells how many connections it has; metrics are someone else's business."""

from enum import StrEnum
from typing import Protocol


class ConnectionState(StrEnum):
    """What a connection of a pool is doing: a closed set, fit for a metric label."""

    OPENING = "opening"
    BUSY = "busy"
    IDLE = "idle"


class ConnectionObserver(Protocol):
    """Told of every change, from within the event loop; must neither block nor raise."""

    def changed(self, state: ConnectionState, delta: int) -> None:
        """``delta`` (+1 or -1) connections are now in ``state``; the sum over time is the gauge."""
        ...

    def opened(self) -> None:
        """A connection is ready, signed in where that was asked for."""
        ...

    def closed(self) -> None:
        """A connection that was ready is gone."""
        ...


class SilentObserver:
    """Observes nothing."""

    def changed(self, state: ConnectionState, delta: int) -> None:
        """Ignored."""

    def opened(self) -> None:
        """Ignored."""

    def closed(self) -> None:
        """Ignored."""
