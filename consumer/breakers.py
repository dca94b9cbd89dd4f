"""Circuit breakers of accounts and endpoints, shared by all replicas, and what holds the whole platform.

The seam; :mod:`consumer.breakers_shared` is what runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from consumer.routing import Route
from consumer.turns import GoAside
from transports.errors import Code, DeliveryError


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to send one mail by a route. ``probe``: it is the one that decides whether a breaker closes.

    ``scopes`` are the breakers that its end counts for, ``claims`` those it probes, each with the name of the probe.
    """

    route: Route
    probe: bool = False
    scopes: tuple[str, ...] = ()
    claims: tuple[tuple[str, str], ...] = ()


class Breakers(Protocol):
    """For one event loop. Accounts are organisations; endpoints are ``host:port`` or a provider's name."""

    async def enter(self, route: Route) -> Permit:
        """Leave to send by this route.

        Raises:
            GoAside: a breaker of its account or endpoint is open (``Reason.BREAKER_OPEN``), or a hold of the platform
                covers it (``platform=True``); ``after`` is when it is worth another look.
        """
        ...

    def closed(self, route: Route) -> GoAside | None:
        """Why a mail by this route would be turned away now, as :meth:`enter` would say it; ``None`` if it may go or
        try. Claims nothing and asks nobody: for before the mail waits for its turn."""
        ...

    def no_route(self, code: Code) -> GoAside:
        """For a mail that would go by the platform's own service while none is configured: how long it stays away.

        Holds such mail of this process, until :meth:`enter` or :meth:`closed` is asked for that very service.
        """
        ...

    def still(self, permit: Permit) -> bool:
        """Whether the mail may be sent now: nothing stands in its way since, and what it probes is ours for as long as
        a send may last.

        To be asked right before the send, with nothing awaited between; if not, give the permit up.
        """
        ...

    async def left(self, permit: Permit, error: DeliveryError | None) -> None:
        """What became of the mail; recipient and message faults count as an answer, so as success of the way."""
        ...

    def give_up(self, permit: Permit) -> None:
        """The mail was not sent after all: a probe is free again."""
        ...

    def store_away(self) -> None:
        """The database does not answer, so nothing can be sent until it does."""
        ...

    def store_back(self) -> None:
        """The database has taken something that was written: what :meth:`store_away` said is over."""
        ...

    def open_organizations(self) -> Mapping[str, str]:
        """Organisations whose mail is held by a breaker now, with the reason code."""
        ...

    def forget(self, organization: str) -> None:
        """Its settings have changed: what was met with the old ones counts no more."""
        ...
