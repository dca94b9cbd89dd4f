"""One refresh of one grant, from the look at the store to the token that may be handed out.

What must hold: nobody refreshes a version that another one is refreshing; nothing is handed out that the store does
not have; what was received is not lost while the process lives; a grant is declared dead only after a second refusal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from config.errors import SecretUnreadable, StoreUnavailable
from config.logs import get_logger
from config.oauth.grant_store import GrantRow, GrantStore, Lease
from config.oauth.provider import OAuthProvider
from config.oauth.tokens_values import (
    NO_GRANT,
    STORE_AWAY,
    TOO_LONG,
    Entry,
    Failure,
    Kept,
    OnRefresh,
    Pending,
    TokenPolicy,
    Wish,
    World,
    result_of,
)
from config.oauth.values import Method, Provider, TokenSet
from transports.errors import AccountProblem, Code, DeliveryError, PlatformProblem, Temporary

log = get_logger(__name__)
_GROWTH: Final = 1.6


@dataclass(frozen=True, slots=True)
class Tools:
    """What refreshes work with. ``holder`` names this process for leases."""

    store: GrantStore
    providers: Mapping[Provider, OAuthProvider]
    holder: str
    policy: TokenPolicy
    world: World
    on_refresh: OnRefresh


class Refresh:
    """Gets tokens for entries; the caller sees to it that each entry has one refresh at a time."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._store = tools.store
        self._policy = tools.policy
        self._world = tools.world

    async def run(self, entry: Entry, wish: Wish) -> Kept:
        """A token that fulfils the wish, kept in the entry as well.

        Raises:
            DeliveryError: there is none.
            StoreUnavailable: the store was away; what was received is in ``entry.pending``.
        """
        pause, until = self._policy.poll, self._world.clock() + self._policy.whole
        while self._world.clock() < until:
            if entry.pending is not None:
                await self._persist(entry)
            row = await self._row(entry.grant)
            kept = self.remember(entry, row)
            if kept is not None and self._fulfils(kept, wish):
                return kept
            self._answer_if_dead(row, wish)
            if await self._take_lease(entry, row):
                kept = await self._with_lease(entry, row.version, wish)
                if kept is not None:
                    return kept
                # Somebody else was faster after all.
            await self._world.sleep(pause)
            pause = min(pause * _GROWTH, self._policy.poll_most)
        raise TOO_LONG.exception()

    def remember(self, entry: Entry, row: GrantRow, *, ours: bool = False) -> Kept | None:
        """The row's access token, in memory from now on; ``None`` without one.

        ``ours``: it is fresh from the provider, so half of its time must do even if that is short.
        """
        if row.access_token is None or row.fresh_for <= 0:
            return None
        if entry.kept is not None and entry.kept.version == row.version:
            return entry.kept
        now, left = self._world.clock(), row.fresh_for
        ahead = min(self._policy.early + self._policy.spread * self._world.random(), left / 2)
        least = min(self._policy.least, left / 2) if ours else self._policy.least
        until_wall = self._world.wall() + left
        entry.kept = Kept(row.version, row.access_token, now + left, until_wall, now + left - ahead, least)
        return entry.kept

    def _fulfils(self, kept: Kept, wish: Wish) -> bool:
        left = kept.left(self._world.clock(), self._world.wall())
        newer = wish.newer_than is None or kept.until > wish.newer_than + self._policy.least
        return left >= kept.least and newer and kept.access.reveal() != wish.refused

    async def _row(self, grant: str) -> GrantRow:
        try:
            row = await self._store.get(grant)
        except SecretUnreadable as error:
            raise PlatformProblem(Code.PLATFORM_SETTINGS, "a sealed token cannot be opened") from error
        if row is None:
            raise NO_GRANT.exception()
        return row

    def _answer_if_dead(self, row: GrantRow, wish: Wish) -> None:
        pause = self._policy.insisted if wish.insist else self._policy.probe
        if row.dead is not None and row.dead_for < pause:
            raise AccountProblem(row.dead, row.dead_detail)

    async def _with_lease(self, entry: Entry, version: int, wish: Wish) -> Kept | None:
        """Looks once more, because who had the lease before may have found the grant dead; then asks the provider."""
        row = await self._row(entry.grant)
        try:
            self._answer_if_dead(row, wish)
        except AccountProblem:
            await self._release(entry, row)
            raise
        return await self._ask(entry, row, wish) if row.version == version else None

    async def _ask(self, entry: Entry, row: GrantRow, wish: Wish) -> Kept | None:
        """With the lease in hand; ``None`` when the grant has moved on meanwhile."""
        confirmed = row.dead is not None
        while True:
            began = self._world.clock()
            try:
                tokens = await self._call(row, confirmed=confirmed)
                break
            except AccountProblem as error:
                if confirmed:
                    await self._dead(row, error)
                    return None
            except DeliveryError:
                await self._release(entry, row)
                raise
            # Token endpoints refuse a good grant now and then; nobody is sent to reconnect for that.
            doubtful = entry.doubtful == row.version
            await self._world.sleep(self._policy.flush_most + self._policy.margin if doubtful else self._policy.confirm)
            confirmed = True
            if not await self._take_lease(entry, row):
                return None
        entry.pending = Pending(row, tokens, began + tokens.expires_in)
        if not await self._persist(entry):
            return None
        kept = entry.kept
        if kept is None or kept.version <= row.version:
            raise Temporary(Code.UNKNOWN_REPLY, "a token without time")
        if kept.access.reveal() == wish.refused:
            raise AccountProblem(Code.RECONNECTION_NEEDED, "no other token")
        return kept

    async def _call(self, row: GrantRow, *, confirmed: bool) -> TokenSet:
        try:
            tokens = await self._token_set(row)
        except DeliveryError as error:
            result = result_of(error)
            self._tools.on_refresh(row.provider, "dead" if result == "refused" and confirmed else result)
            if result == "unknown":
                log.warning("unknown refusal by a token endpoint", transport=row.provider.value, detail=error.detail)
            raise
        rotated = tokens.refresh_token is not None and tokens.refresh_token != row.refresh_token
        self._tools.on_refresh(row.provider, "rotated" if rotated else "ok")
        return tokens

    async def _token_set(self, row: GrantRow) -> TokenSet:
        client = self._tools.providers[row.provider]
        if row.method is Method.APP and row.app is not None:
            return await client.app_token(row.way, row.app)
        if row.refresh_token is None:
            raise AccountProblem(Code.RECONNECTION_NEEDED, "no refresh token")
        return await client.refresh(row.way, row.refresh_token, tenant=row.tenant)

    async def _dead(self, row: GrantRow, error: AccountProblem) -> None:
        """Declares the grant dead and raises; returns when it has moved on meanwhile."""
        failure = Failure.of(error)
        try:
            marked = await self._store.mark_dead(row.id, row.version, self._tools.holder, failure.code, failure.detail)
        except StoreUnavailable:
            marked = True
        if not marked:
            return
        log.warning(
            "grant refused",
            organization=row.organization,
            transport=row.provider.value,
            code=str(failure.code),
            detail=failure.detail,
        )
        raise failure.exception()

    async def _take_lease(self, entry: Entry, row: GrantRow) -> bool:
        lease = await self._store.take_lease(row.id, row.version, self._tools.holder, self._policy.lease)
        if lease is Lease.OVERDUE:
            entry.doubtful = row.version
        return lease is not None

    async def _release(self, entry: Entry, row: GrantRow) -> None:
        if entry.doubtful == row.version:
            return  # it runs out by itself, and the next one learns that there is a doubt
        try:
            await self._store.release(row.id, self._tools.holder)
        except StoreUnavailable:
            return  # it runs out by itself

    async def _persist(self, entry: Entry) -> bool:
        """Stores what was received; only then it is in ``entry.kept``. ``False``: the store has something newer."""
        if entry.pending is None:
            return False
        row = await self._keep(entry.pending)
        entry.pending = None
        if row is not None:
            self.remember(entry, row, ours=True)
        return row is not None

    async def _keep(self, pending: Pending) -> GrantRow | None:
        row, fault = pending.row, StoreUnavailable("")
        for pause in (*self._policy.persist, None):
            left = max(pending.until - self._world.clock(), 0.0)
            try:
                return await self._store.keep(row.id, row.version, self._tools.holder, pending.tokens, left)
            except StoreUnavailable as error:
                fault = error
            if pause is not None:
                await self._world.sleep(pause)
        log.warning("a refreshed token could not be stored yet", organization=row.organization)
        raise fault


def failure_of(error: Exception) -> Failure:
    """A refresh's exception as what everybody who waits is told."""
    if isinstance(error, DeliveryError):
        return Failure.of(error)
    return STORE_AWAY if isinstance(error, StoreUnavailable) else Failure(PlatformProblem, Code.INTERNAL_ERROR)
