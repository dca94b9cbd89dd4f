"""Takes grants back at their provider that nobody uses any more: disconnected, replaced, or never put to use.

Which are due, and when a failed one is tried again, is :mod:`config.grants`' business; one that its provider has no
means for is forgotten. The web process does a round soon after a change, the consumer's housekeeping does the rest.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from config.errors import ConfigError
from config.logs import get_logger
from config.oauth.provider import OAuthProvider
from config.oauth.values import Provider
from config.secrets import Secret
from transports.errors import DeliveryError

log = get_logger(__name__)


class Retired(Protocol):
    """A grant to be ended at its provider."""

    @property
    def id(self) -> str: ...
    @property
    def provider(self) -> Provider: ...
    @property
    def refresh_token(self) -> Secret: ...


class RetiredGrants(Protocol):
    """Where retired grants are kept: :class:`config.grants.Grants`."""

    async def to_revoke(self, limit: int = 20) -> Sequence[Retired]: ...
    async def connected_again(self, grant: str) -> bool: ...
    async def doubt(self, grant: str) -> int: ...
    async def revoked(self, grant: str) -> None: ...
    async def revoke_failed(self, grant: str) -> None: ...


class Revoking:
    """Rounds of revocations, one at a time in a process. For the tasks of one event loop."""

    def __init__(self, grants: RetiredGrants, providers: Mapping[Provider, OAuthProvider]) -> None:
        self._grants = grants
        self._providers = providers
        self._task: asyncio.Task[int] | None = None
        self._again = False
        self.doubtful = False
        """Whether a grant is to be refreshed soon, because it may have ended together with another."""

    async def run(self) -> int:
        """One round; returns how many grants were ended or forgotten. What fails is put off and logged."""
        ended = 0
        for grant in await self._grants.to_revoke():
            told = await self._revoke(grant)
            if told is None:
                await self._grants.revoke_failed(grant.id)
                continue
            await self._grants.revoked(grant.id)
            ended += 1
            log.info("a grant has ended", state="revoked" if told else "forgotten")
        return ended

    async def _revoke(self, grant: Retired) -> bool | None:
        """Whether the provider ended the grant, ``None`` when that failed.

        A provider ends all consents of an account together. Somebody may connect it anew at any moment, also during
        the call; then nothing but a refresh tells whether the new consent has lived through it.
        """
        # The round may have begun minutes ago.
        if await self._grants.connected_again(grant.id):
            return False
        told = None
        try:
            told = await self._providers[grant.provider].revoke(grant.refresh_token)
        except DeliveryError as error:
            log.warning("a grant could not be taken back yet", code=error.code, detail=error.detail)
        if told is not False and await self._grants.doubt(grant.id):
            log.warning("an account was connected anew while its former grant was taken back")
            self.doubtful = True
        return told

    def soon(self) -> None:
        """Begins a round now, or another one right after the one under way. Never raises."""
        self._again = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._rounds(), name="revoking grants")

    async def aclose(self) -> None:
        """Gives up what is under way; it is tried again later. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _rounds(self) -> int:
        ended = 0
        while self._again:
            self._again = False
            try:
                ended += await self.run()
            except ConfigError as error:
                log.warning("grants could not be taken back yet", problem=str(error))
            except Exception as error:
                # The last resort of a task that nobody waits for: housekeeping tries it again.
                log.error("a round of revocations failed", exc_info=error)
        return ended
