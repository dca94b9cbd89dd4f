"""The operation on what organisations chose for the pace of their mail: limits of their own, or the usual ones again.

How mail leaves stays as it is: the settings keep their version, so that a suspension, a running trial and that they
were verified hold on. Caches learn of it like of any other change. What holds is in the summary of
:class:`config.organizations.Organizations`.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

from config import limit_overrides, store_history
from config.actors import OPERATOR, Actor
from config.errors import SettingsChanged, UnknownOrganization
from config.history import Action, differences, entry
from config.store import Store
from config.store_organizations import OrganizationRows


class SendingLimits:
    """Raises :class:`~config.errors.StoreUnavailable`; ``now`` is the wall clock with a time zone."""

    def __init__(self, store: Store, *, now: Callable[[], datetime]) -> None:
        self._rows = OrganizationRows(store)
        self._now = now

    async def choose(
        self,
        organization: str,
        chosen: Mapping[str, int | None],
        *,
        actor: Actor = OPERATOR,
        expected: int | None = None,
        only_named: bool = False,
    ) -> int:
        """Replaces all limits that were chosen; what is ``None`` or missing is the usual one again.

        ``only_named``: those that ``chosen`` does not name stay. ``expected`` is the version of the settings that the
        limits are for (``None``: any). Returns that version, which stays as it is.

        Raises:
            InvalidSettings: a limit is out of its bounds.
            UnknownOrganization: it has no transport of its own, so that the platform's limits hold.
            SettingsChanged: the settings have another version than ``expected``.
        """
        clean = limit_overrides.checked(chosen)
        async with self._rows.changing(organization) as change:
            before = change.before
            if before is None or before["kind"] is None:
                raise UnknownOrganization(organization)
            version = int(before["version"])
            if expected is not None and expected != version:
                raise SettingsChanged(organization)
            was = limit_overrides.shown(before["limits"])
            kept = {name: value for name, value in was.items() if value is not None and name not in chosen}
            new = {**kept, **clean} if only_named else dict(clean)
            if (new or None) == before["limits"]:
                await change.connection.rollback()
                return version
            await self._rows.set_limits(change, organization, new or None)
            fields = differences(was, limit_overrides.shown(new), password=False)
            changed = entry(self._now(), actor, Action.LIMITED, fields)
            await store_history.add(change.connection, organization, changed)
            return version
