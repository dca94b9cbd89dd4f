"""Rounds that refresh grants which nobody used for long, so that none dies of that alone."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from config.errors import SecretUnreadable, StoreUnavailable
from config.logs import get_logger
from config.oauth.grant_store import GrantRow, GrantStore
from config.oauth.tokens_values import Failure, Idle
from config.oauth.values import Provider
from transports.errors import AccountProblem, Code, DeliveryError, PlatformProblem, Throttled

log = get_logger(__name__)
ROUNDS_LEFT_OUT: Final = 12
"""For how many rounds a grant that failed is left out, so that a few that always fail do not keep others from theirs.

With a round an hour there are sixty tries in the month between what counts as idle and what Microsoft gives up.
"""


class IdleRounds:
    """The rounds of one process. ``refresh`` gets a new token for a grant, by its id, or raises."""

    def __init__(self, store: GrantStore, idle: float, refresh: Callable[[str], Awaitable[object]]) -> None:
        self._store = store
        self._idle = idle
        self._refresh = refresh
        self._left_out: dict[str, int] = {}

    async def run(self, limit: int) -> Sequence[Idle]:
        """One round, one grant after the other; a provider that is away is not asked for its others.

        Raises:
            StoreUnavailable: the store could not say which they are.
        """
        self._left_out = {grant: rounds - 1 for grant, rounds in self._left_out.items() if rounds > 1}
        stale = await self._store.stale(self._idle, limit + len(self._left_out))
        done: list[Idle] = []
        away: set[Provider] = set()
        unreadable = 0
        for grant in [grant for grant in stale if grant not in self._left_out][:limit]:
            try:
                row = await self._store.get(grant)
            except SecretUnreadable:
                self._left_out[grant] = ROUNDS_LEFT_OUT
                unreadable += 1
                continue
            except StoreUnavailable:
                break  # what was found out so far is still to be told
            if row is None or row.provider in away:
                continue
            idle = await self._one(row)
            done.append(idle)
            if idle.failure is None:
                continue
            if idle.failure.code is Code.STORE_UNAVAILABLE:
                break
            self._left_out[grant] = ROUNDS_LEFT_OUT
            if _of_the_provider(idle.failure):
                away.add(row.provider)
        if unreadable:
            log.error("the tokens of unused grants cannot be opened", count=unreadable)
        return done

    async def _one(self, row: GrantRow) -> Idle:
        try:
            await self._refresh(row.id)
        except DeliveryError as error:
            return Idle(row.id, row.organization, Failure.of(error))
        return Idle(row.id, row.organization)


def _of_the_provider(failure: Failure) -> bool:
    """Whether the next grant of the same provider would fare no better; an answer that no table has is one grant's."""
    if failure.code is Code.SIGN_IN_UNAVAILABLE:
        return True
    return issubclass(failure.error, Throttled | PlatformProblem) and not issubclass(failure.error, AccountProblem)
