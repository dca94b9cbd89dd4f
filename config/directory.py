"""What the consumer asks for every mail: an organisation's settings, from memory, never older than it may be.

Every answer rests on a version check that succeeded at most ``max_stale`` seconds ago. Without one the store is asked,
and if the store does not answer there is no answer (R6): never "nothing configured", never a guess.
Organisations without settings are remembered too, since most have none. It does not know what settings mean.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from config.choices import OrganizationSettings


class SettingsReader(Protocol):
    """Where a directory reads; :class:`config.organizations.Organizations` is one."""

    async def get(self, organization: str) -> OrganizationSettings | None:
        """See :meth:`config.organizations.Organizations.get`."""
        ...

    async def changes_since(self, number: int | None) -> tuple[int, tuple[str, ...] | None]:
        """See :meth:`config.organizations.Organizations.changes_since`."""
        ...


class Directory:
    """A bounded cache over a reader; for the tasks of one event loop. ``clock`` is monotonic, in seconds."""

    def __init__(
        self,
        organizations: SettingsReader,
        *,
        clock: Callable[[], float],
        capacity: int = 10_000,
        max_stale: float = 10.0,
    ) -> None:
        self._reader = organizations
        self._clock = clock
        self._capacity = capacity
        self._max_stale = max_stale
        self._entries: OrderedDict[str, OrganizationSettings | None] = OrderedDict()
        self._loads: dict[str, asyncio.Task[OrganizationSettings | None]] = {}
        self._check: asyncio.Task[None] | None = None
        self._seen: int | None = None
        self._checked_at = float("-inf")
        self._unreported: dict[str, None] | None = {}

    async def get(self, organization: str) -> OrganizationSettings | None:
        """The settings in force; ``None`` means that nothing is configured, so the platform default applies.

        Raises:
            StoreUnavailable: it cannot be known now.
            SettingsUnreadable: there are settings, but they cannot be read.
        """
        if self._clock() - self._checked_at > self._max_stale:
            await self._checked()
        if organization in self._entries:
            self._entries.move_to_end(organization)
            return self._entries[organization]
        load = self._loads.get(organization)
        if load is None:
            load = self._loads[organization] = asyncio.create_task(self._load(organization))
            load.add_done_callback(_retrieve)
        return await asyncio.shield(load)

    def invalidate(self, organization: str | None = None) -> None:
        """Forgets one organisation or, without a name, all; loads under way are not kept either."""
        if organization is None:
            self._entries.clear()
            self._loads.clear()
        else:
            self._entries.pop(organization, None)
            self._loads.pop(organization, None)

    async def refresh(self) -> tuple[str, ...] | None:
        """One version check: forgets what changed, and returns the organisations that changed since the last call.

        Disconnected and deleted ones are among them. ``None``: too many to name them, so any may have changed.

        Raises:
            StoreUnavailable: the check failed; answers go on until the last good one is too old.
        """
        if self._check is not None:
            # It may have read before the change that the caller was told of.
            await asyncio.wait([self._check])
        await self._checked()
        changed, self._unreported = self._unreported, {}
        return None if changed is None else tuple(changed)

    async def _checked(self) -> None:
        """One check for all who wait for one."""
        if self._check is None:
            self._check = asyncio.create_task(self._run_check())
            self._check.add_done_callback(_retrieve)
        await asyncio.shield(self._check)

    async def _run_check(self) -> None:
        try:
            began = self._clock()
            newest, changed = await self._reader.changes_since(self._seen)
            went_back = self._seen is not None and newest < self._seen  # another database, or an older copy of it
            if went_back or began - self._checked_at > self._max_stale:
                # A row deleted long ago is no longer told, so after a gap nothing that was known counts.
                self.invalidate()
            self._note(changed)
            self._seen, self._checked_at = newest, began
        finally:
            self._check = None

    def _note(self, changed: tuple[str, ...] | None) -> None:
        """Forgets what changed, and keeps it for the next :meth:`refresh` as long as it is not too much."""
        if changed is None:
            self.invalidate()
            self._unreported = None
            return
        for organization in changed:
            self.invalidate(organization)
        if self._unreported is not None:
            self._unreported.update(dict.fromkeys(changed))
            if len(self._unreported) > self._capacity:
                self._unreported = None

    async def _load(self, organization: str) -> OrganizationSettings | None:
        me = asyncio.current_task()
        try:
            settings = await self._reader.get(organization)
            # An invalidation during the read took this load off the list: what was read may be older than it.
            if self._loads.get(organization) is me:
                self._entries[organization] = settings
                while len(self._entries) > self._capacity:
                    self._entries.popitem(last=False)
            return settings
        finally:
            if self._loads.get(organization) is me:
                del self._loads[organization]


def _retrieve(task: asyncio.Task[object]) -> None:
    """Marks an exception as seen, for a task whose waiters were all cancelled."""
    if not task.cancelled():
        task.exception()
