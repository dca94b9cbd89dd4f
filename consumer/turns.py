"""Whose turn it is: mails wait here until their account may be asked, for moments only; what cannot go soon goes aside.

The decisions are those of :mod:`consumer.lanes`; here are the waiting, the timers and the clock.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from config.limits import Limits
from consumer.outcome import Reason
from transports.errors import Code, DeliveryError


class GoAside(Exception):
    """The mail cannot leave soon: it is to come back after ``after`` seconds. Never counts as an attempt."""

    def __init__(
        self, after: float, reason: Reason | Code, *, platform: bool = False, soonest: float | None = None
    ) -> None:
        super().__init__(str(reason))
        self.after = after
        self.reason = reason
        self.platform = platform
        """Whether a fault of ours is the cause, so that nothing else can leave by this way either."""
        self.soonest = after if soonest is None else soonest
        """Seconds after which another look is worth it for whoever waits in hand, who need not keep to a wait queue."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One mail that wants to leave. ``account`` is the route's key, empty for the platform's own relay.

    ``units`` are its recipients. ``due``: it comes back from a wait that was promised to it. ``crowded``: its partition
    has a long queue, so an organisation may hold little more in hand than what is being sent. ``fingerprint`` tells the
    account from any other that the route leads to before or later, without naming anybody; empty if it is not known.
    """

    account: str
    organization: str
    limits: Limits
    high: bool = False
    units: int = 1
    due: bool = False
    crowded: bool = False
    fingerprint: str = ""


class Turn(Protocol):
    """A mail's place in the line of its account, from :meth:`Turns.take`."""

    async def granted(self) -> None:
        """Returns when the mail may leave now, at the latest about two seconds after the place was taken.

        Raises:
            GoAside: it may not, and comes back later.
        """
        ...

    def begins(self) -> None:
        """The mail is handed to the transport now; to be called once, after :meth:`granted`.

        What a mail takes is learnt from here to :meth:`ended`, and from no mail for which this was not called.
        """
        ...

    def ended(self, error: DeliveryError | None) -> None:
        """What the provider said (``None``: it took the mail); the lane learns from it. To be called once."""
        ...


class Turns(Protocol):
    """The lanes of one process."""

    def take(self, ask: Ask) -> AbstractAsyncContextManager[Turn]:
        """Takes a place in the line; entered once the mail is among the next few (so that the ledger can be asked
        while those before it are being sent). Leaving the block frees the place and the concurrency it held.

        Raises:
            GoAside: it cannot leave soon.
            StoreUnavailable: what another replica knew of this lane cannot be read.
        """
        ...

    def dirty(self) -> Sequence[tuple[str, bytes]]:
        """Lanes whose memory has changed since the last call, with their memory; for the ledger's commit."""
        ...
