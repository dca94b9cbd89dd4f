"""What sending finds out about an organisation's account: that it needs a person, or that it works again.

No change of settings: their version stays, and nothing is noted in the history.
"""

from datetime import datetime

from config.organizations_reading import OrganizationReading
from config.store_breakers import ACCOUNT, key_of
from transports.errors import Code


class OrganizationSuspending(OrganizationReading):
    """The part of :class:`config.organizations.Organizations` that suspends and recovers; see there."""

    async def suspend(self, organization: str, version: int, code: Code, retry_at: datetime | None) -> bool:
        """Notes that the account needs a person, if the settings still have this version.

        Returns whether this call began a suspension; one that is there already gets the new code and ``retry_at``.
        """
        values = {"suspended_code": code.value, "retry_at": retry_at}
        begun = {**values, "suspended_at": self._now()}
        if await self._rows.set_suspension(organization, version, begun, suspended=False):
            return True
        await self._rows.set_suspension(organization, version, values, suspended=True)
        return False

    async def recover(self, organization: str, version: int) -> bool:
        """Lifts a suspension, if the settings still have this version; returns whether there was one to lift.

        The account was seen to work, so delivery by it is no longer held back either.
        """
        await self._breakers.close(key_of(ACCOUNT, organization))
        values = {"suspended_code": None, "suspended_at": None, "retry_at": None}
        return await self._rows.set_suspension(organization, version, values, suspended=True)
