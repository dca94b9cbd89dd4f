"""Organisations whose account needs a person: written down and told once, and told once more when mail flows again.

A suspension ends when a mail is accepted although it lasts (what was wrong has healed), or when somebody changes the
settings or connects the account anew. Of the latter a replica learns no more than that settings have changed; that it
helped is known by the first mail that leaves, and that there was something to mend by what this process remembers, or
by a mail that had been parked. So after a restart it may be told a second time, and it is not told before a mail has
proved it.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, TypeVar

from config.errors import StoreUnavailable
from config.logs import get_logger
from config.organizations import Directory, Organizations
from consumer.notices import Notices
from consumer.routing import Route
from transports.errors import AccountProblem

log = get_logger(__name__)

K = TypeVar("K")
V = TypeVar("V")

PROBE_AFTER: Final = timedelta(hours=1)
"""A suspended account is tried with one event this often, so that what was mended at the provider heals by itself."""

_REMEMBERED: Final = 10_000


class Suspensions:
    """No method raises; cancelled, each ends early. For one event loop; ``now`` is the wall clock.

    ``forget`` drops an organisation's transport with all it remembers. A transport keeps a refusal in mind so that
    what is under way costs no further try; once the suspension is written down nothing else reaches it, and whoever
    lifts that must not meet the memory.
    """

    def __init__(
        self,
        organizations: Organizations,
        directory: Directory,
        notices: Notices,
        now: Callable[[], datetime],
        forget: Callable[[str], None],
    ) -> None:
        self._organizations = organizations
        self._directory = directory
        self._notices = notices
        self._now = now
        self._forget = forget
        self._unwell: OrderedDict[str, int] = OrderedDict()
        self._told: OrderedDict[tuple[str, int], bool] = OrderedDict()

    def count(self, route: Route) -> int:
        """How often the organisation was suspended since it was last well; ask before its route is looked up."""
        return self._unwell.get(route.key, 0)

    async def suspend(self, route: Route, error: AccountProblem) -> None:
        """A mail met an account problem of the organisation."""
        self._told.pop((route.key, route.version), None)
        try:
            await self._write_down(route, error)
        finally:
            _remember(self._unwell, route.key, self.count(route) + 1)

    async def _write_down(self, route: Route, error: AccountProblem) -> None:
        pause = PROBE_AFTER if error.retry_after is None else timedelta(seconds=error.retry_after)
        try:
            fresh = await self._organizations.suspend(
                route.key, route.version, error.code, retry_at=self._now() + pause
            )
        except (StoreUnavailable, asyncio.CancelledError):
            # Parking needs no store; the next event of the organisation will try to write it down again.
            log.warning("suspension could not be stored", organization=route.key, code=error.code)
            return
        self._directory.invalidate(route.key)
        self._forget(route.key)
        if fresh:
            log.warning("transport suspended", organization=route.key, code=error.code, detail=error.detail)
            self._notices.suspended(route.key, route.transport, error.code)

    async def accepted(self, route: Route, *, parked: bool, count: int) -> None:
        """A mail of the organisation was accepted; ``parked``: it had to wait for that. ``count`` is that of before."""
        if route.platform:
            return
        if route.suspended:
            try:
                lifted = await self._organizations.recover(route.key, route.version)
            except (StoreUnavailable, asyncio.CancelledError):
                log.warning("recovery could not be stored", organization=route.key)
                return
            self._directory.invalidate(route.key)
        elif self.count(route) != count:
            return  # it began before another one found the account unwell
        else:
            lifted = (parked or count > 0) and (route.key, route.version) not in self._told
        self._unwell.pop(route.key, None)
        if route.suspended or lifted:
            _remember(self._told, (route.key, route.version), True)
        if lifted:
            log.info("transport recovered", organization=route.key, transport=route.transport)
            self._notices.recovered(route.key, route.transport)


def _remember(known: OrderedDict[K, V], name: K, value: V) -> None:
    known[name] = value
    known.move_to_end(name)
    if len(known) > _REMEMBERED:
        known.popitem(last=False)
