"""Access tokens of grants, for all who send: one refresh serves everybody who waits, here and in other replicas.

In this process a refresh is a task of its own, which goes on when those who wait for it give up; across processes a
lease on the grant's row keeps others from refreshing the same version (:mod:`config.oauth.tokens_refresh`). A token
that is still good is handed out without a look at the store, and replaced in the background before it runs out.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from config.errors import StoreUnavailable
from config.logs import get_logger
from config.oauth.grant_store import GrantStore
from config.oauth.provider import OAuthProvider
from config.oauth.tokens_idle import IdleRounds
from config.oauth.tokens_refresh import Refresh, Tools, failure_of
from config.oauth.tokens_values import (
    Entry,
    Failure,
    Idle,
    Kept,
    OnRefresh,
    TokenPolicy,
    Wish,
    World,
    unheard,
)
from config.oauth.values import Provider
from transports.errors import AccountProblem, Code, DeliveryError, Temporary
from transports.protocol import TokenSource

log = get_logger(__name__)
_MANY: Final = 1000
_LOOKS: Final = 3
_GROWTH: Final = 2.0


@dataclass(slots=True)
class _Grant:
    """An entry with what this process is doing about it. ``failed`` is answered until ``not_before`` (monotonic)."""

    entry: Entry
    flight: "asyncio.Task[Kept | Failure] | None" = None
    flush: "asyncio.Task[None] | None" = None
    failed: Failure | None = None
    not_before: float = 0.0
    failures: int = field(default=0)


class Tokens:
    """The token sources of one process, over one store; for one event loop.

    ``holder`` names the process and is unique.
    """

    def __init__(
        self,
        store: GrantStore,
        providers: Mapping[Provider, OAuthProvider],
        *,
        holder: str,
        policy: TokenPolicy | None = None,
        on_refresh: OnRefresh = unheard,
        world: World | None = None,
    ) -> None:
        self._policy = policy or TokenPolicy()
        self._world = world or World()
        self._refresh = Refresh(Tools(store, providers, holder, self._policy, self._world, on_refresh))
        self._grants: dict[str, _Grant] = {}
        self._idle = IdleRounds(store, self._policy.idle, self._renew)
        self._closed = False

    def source(self, grant: str, *, insist: bool = False) -> TokenSource:
        """The token source of a grant; ``insist`` for a person who waits: a dead grant is tried once more."""
        return _Source(partial(self._token, grant, insist))

    def forget(self, grant: str) -> None:
        """Drops what is in memory of a grant that is not in use any more."""
        found = self._grants.get(grant)
        if found is not None and found.flight is None and found.entry.pending is None:
            del self._grants[grant]

    async def refresh_idle(self, limit: int = 50) -> Sequence[Idle]:
        """Refreshes grants that nobody used for long; see :class:`~config.oauth.tokens_idle.IdleRounds`.

        Raises:
            StoreUnavailable: the store could not say which they are.
        """
        return await self._idle.run(limit)

    async def aclose(self, seconds: float = 35.0) -> None:
        """Lets refreshes end, and what they received be stored, within so many seconds. Idempotent.

        A refresh that is cut off may have used up its refresh token.
        """
        self._closed = True
        for grant in self._grants.values():
            if grant.flush is not None:
                grant.flush.cancel()
            if grant.entry.pending is not None and grant.flight is None:
                self._begin(grant, Wish())
        under_way = [grant.flight for grant in self._grants.values() if grant.flight is not None]
        if under_way:
            _, late = await asyncio.wait(under_way, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _renew(self, name: str) -> str:
        """A token that is not the one in memory."""
        kept = self._grant(name).entry.kept
        return await self._token(name, insist=False, refused=None if kept is None else kept.access.reveal())

    async def _token(self, name: str, insist: bool, refused: str | None) -> str:
        grant = self._grant(name)
        access = self._at_hand(grant, refused)
        if access is not None:
            return access
        left = grant.not_before - self._world.clock()
        if grant.failed is not None and left > 0 and not insist:
            raise grant.failed.exception(left)
        for _ in range(_LOOKS):
            # One that was under way may bring the very token that was refused, or keep to the slow probe.
            ours = grant.flight is None
            found = await asyncio.shield(grant.flight or self._begin(grant, Wish(refused, insist=insist)))
            if isinstance(found, Kept) and found.access.reveal() != refused:
                return found.access.reveal()
            if isinstance(found, Failure) and (ours or not insist):
                raise found.exception()
        raise AccountProblem(Code.RECONNECTION_NEEDED, "no other token")

    def _at_hand(self, grant: _Grant, refused: str | None) -> str | None:
        kept = grant.entry.kept
        now = self._world.clock()
        if kept is None or kept.left(now, self._world.wall()) < kept.least or kept.access.reveal() == refused:
            return None
        if now >= kept.early and now >= grant.not_before and grant.flight is None and not self._closed:
            self._begin(grant, Wish(newer_than=kept.until))
        return kept.access.reveal()

    def _grant(self, name: str) -> _Grant:
        found = self._grants.get(name)
        if found is None:
            if len(self._grants) % _MANY == _MANY - 1:
                self._drop_old()
            found = self._grants[name] = _Grant(Entry(name))
        return found

    def _drop_old(self) -> None:
        now = self._world.clock()
        for name, grant in list(self._grants.items()):
            kept = grant.entry.kept
            if kept is None or kept.until < now:
                self.forget(name)

    def _begin(self, grant: _Grant, wish: Wish) -> "asyncio.Task[Kept | Failure]":
        grant.flight = asyncio.create_task(self._fly(grant, wish), name="token refresh")
        return grant.flight

    async def _fly(self, grant: _Grant, wish: Wish) -> Kept | Failure:
        try:
            found = await self._refresh.run(grant.entry, wish)
        except (DeliveryError, StoreUnavailable) as error:
            return self._failed(grant, failure_of(error))
        except Exception as error:
            log.exception("a token could not be refreshed")
            return self._failed(grant, failure_of(error))
        else:
            grant.failed, grant.failures, grant.not_before = None, 0, 0.0
            return found
        finally:
            grant.flight = None
            if grant.entry.pending is not None and grant.flush is None and not self._closed:
                grant.flush = asyncio.create_task(self._flush(grant), name="token storing")

    def _failed(self, grant: _Grant, failure: Failure) -> Failure:
        """Notes a failure; one of the account is the store's to remember, the others are answered for a while."""
        policy = self._policy
        if failure.of_account:
            grant.failed = None
            # The old token may still serve; what became of the grant is asked again not with every mail.
            grant.not_before = self._world.clock() + policy.back_off_most
            return failure
        grant.failures += 1
        pause = min(policy.back_off * _GROWTH ** min(grant.failures - 1, 10), policy.back_off_most)
        grant.failed = failure
        grant.not_before = self._world.clock() + max(pause, failure.retry_after or 0.0)
        return failure

    async def _flush(self, grant: _Grant) -> None:
        """Brings what was received into the store as soon as there is one again."""
        pause = self._policy.persist[-1]
        try:
            while grant.entry.pending is not None:
                await self._world.sleep(pause)
                pause = min(pause * _GROWTH, self._policy.flush_most)
                await asyncio.shield(grant.flight or self._begin(grant, Wish()))
        finally:
            grant.flush = None


class _Source:
    """One grant's token source."""

    def __init__(self, ask: Callable[..., Awaitable[str]]) -> None:
        self._ask = ask

    async def token(self, *, refused: str | None = None) -> str:
        """See :class:`~transports.protocol.TokenSource`.

        An answer of the token endpoint that no table has is told as a sign-in that is not possible now: no mail was
        offered to anybody, so it waits as for an endpoint that is away, and is not counted as one that was tried.
        """
        try:
            return await self._ask(refused=refused)
        except DeliveryError as error:
            if error.code is not Code.UNKNOWN_REPLY:
                raise
            raise Temporary(Code.SIGN_IN_UNAVAILABLE, error.detail, retry_after=error.retry_after) from error
