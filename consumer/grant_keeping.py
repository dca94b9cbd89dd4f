"""What keeps connected accounts alive that nobody uses, and ends what nobody needs: seldom, and beside deliveries.

Every replica does it. That a grant is refreshed by one of them only is the token source's business, and that a
revocation is tried by one only that of :meth:`config.grants.Grants.to_revoke`.
"""

from collections.abc import Callable
from datetime import datetime

from config.errors import StoreUnavailable
from config.logs import get_logger
from config.oauth.revoking import Revoking
from config.oauth.tokens import Tokens
from config.oauth.tokens_values import Failure
from config.organizations import Organizations
from consumer.metrics import Metrics
from consumer.notices import Notices
from consumer.suspensions import PROBE_AFTER

log = get_logger(__name__)


class GrantKeeping:
    """Both methods are for one round each and raise nothing that a database that is away could do."""

    def __init__(
        self,
        tokens: Tokens,
        revoking: Revoking,
        organizations: Organizations,
        *,
        notices: Notices,
        metrics: Metrics,
        now: Callable[[], datetime],
    ) -> None:
        self._tokens = tokens
        self._revoking = revoking
        self._organizations = organizations
        self._notices = notices
        self._metrics = metrics
        self._now = now

    async def refresh_idle(self) -> None:
        """Refreshes what was not used for long (Microsoft's tokens die after 90 days, Google's after six months).

        An organisation whose grant turns out to be dead is told now, and not when its next mail waits.
        """
        try:
            for idle in await self._tokens.refresh_idle():
                if idle.failure is not None and idle.failure.of_account:
                    await self._suspend(idle.organization, idle.grant, idle.failure)
        except StoreUnavailable:
            log.warning("unused grants could not be refreshed")

    async def revoke(self) -> None:
        """Takes grants back at their provider that are not used any more."""
        try:
            self._metrics.grants_ended(await self._revoking.run())
        except StoreUnavailable:
            log.warning("grants could not be taken back yet")
        if self._revoking.doubtful:
            self._revoking.doubtful = False
            await self.refresh_idle()

    async def _suspend(self, organization: str, grant: str, failure: Failure) -> None:
        summary = await self._organizations.describe(organization)
        if summary is None or summary.grant_id != grant:
            return
        begun = await self._organizations.suspend(
            organization, summary.version, failure.code, retry_at=self._now() + PROBE_AFTER
        )
        if begun:
            log.warning("transport suspended", organization=organization, code=failure.code, detail=failure.detail)
            self._notices.suspended(organization, summary.kind, failure.code)
