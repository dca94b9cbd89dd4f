"""A token service, a store of grants and time itself, all in memory, for tests of the token source."""

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from config.errors import SecretUnreadable, StoreUnavailable
from config.oauth.grant_store import GrantRow, Lease
from config.oauth.tokens_values import World
from config.oauth.values import AppCredentials, Begun, Method, Provider, TokenSet, Way
from config.secrets import Secret
from transports.errors import AccountProblem, Code

T = TypeVar("T")
LIFETIME = 3600.0
_SETTLE = 40
"""Rounds of the event loop after which nothing moves any more unless time passes."""


class Time:
    """Time that passes only when everybody waits for it to."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def __call__(self) -> float:
        return self.now

    async def wait(self, seconds: float) -> None:
        """Waits until so much time has passed."""
        self.slept.append(seconds)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (self.now + seconds, next(self._order), future))
        await future

    def world(self, *, wall: float = 0.0, random: Callable[[], float] = lambda: 0.0) -> World:
        """The world of a replica whose wall clock is off by ``wall`` seconds."""
        return World(self, lambda: self.now + wall, self.wait, random)

    async def drive(self, awaitable: Awaitable[T]) -> T:
        """The result of something that waits for time to pass."""
        task = asyncio.ensure_future(awaitable)
        while not await self._settled(task):
            if not self._next():
                raise AssertionError("everybody waits, and not for time")
        return await task

    async def _settled(self, task: "asyncio.Future[Any]") -> bool:
        for _ in range(_SETTLE):
            if task.done():
                return True
            await asyncio.sleep(0)
        return task.done()

    def _next(self) -> bool:
        while self._waiting:
            at, _, future = heapq.heappop(self._waiting)
            if not future.done():
                self.now = max(self.now, at)
                future.set_result(None)
                return True
        return False


class TokenService:
    """An :class:`~config.oauth.provider.OAuthProvider` whose refresh tokens rotate, the old one dying at once.

    ``script`` is worked off first: an exception is raised, ``None`` lets the call go on. A call takes ``seconds`` of
    ``pause``; what it does takes place at half of that.
    """

    provider = Provider.MICROSOFT
    configured = True

    def __init__(self, pause: Callable[[float], Awaitable[object]], *, seconds: float = 0.4) -> None:
        self.pause = pause
        self.seconds = seconds
        self.lifetime = LIFETIME
        self.rotates = True
        self.valid = {"r0"}
        self.script: deque[Exception | None] = deque()
        self.calls: list[str] = []
        self.under_way: list[str] = []
        self.overlaps = 0
        self._numbers = itertools.count(1)

    async def refresh(self, way: Way, refresh_token: Secret, *, tenant: str = "") -> TokenSet:
        """A new pair, if the token is valid."""
        name = refresh_token.reveal()
        self.overlaps += name in self.under_way
        self.under_way.append(name)
        try:
            return await self._answer(name)
        finally:
            self.under_way.remove(name)

    async def _answer(self, name: str) -> TokenSet:
        self.calls.append(name)
        await self.pause(self.seconds / 2)
        scripted = self.script.popleft() if self.script else None
        if scripted is not None:
            raise scripted
        if name not in self.valid:
            raise AccountProblem(Code.RECONNECTION_NEEDED, "invalid_grant")
        number = next(self._numbers)
        fresh = Secret(f"r{number}") if self.rotates else None
        if fresh is not None:
            self.valid = (self.valid - {name}) | {fresh.reveal()}
        await self.pause(self.seconds / 2)
        return TokenSet(Secret(f"a{number}"), self.lifetime, frozenset({"Mail.Send"}), fresh)

    async def app_token(self, way: Way, credentials: AppCredentials) -> TokenSet:
        """As a refresh of ``app``."""
        self.valid.add("app")
        kept, self.rotates = self.rotates, False
        try:
            return await self.refresh(way, Secret("app"))
        finally:
            self.rotates = kept

    async def begin(self, way: Way, redirect_uri: str, *, login_hint: str = "", select_account: bool = False) -> Begun:
        """Not of use here."""
        raise NotImplementedError

    async def finish(self, way: Way, flow: Secret, query: Mapping[str, str]) -> TokenSet:
        """Not of use here."""
        raise NotImplementedError

    async def revoke(self, refresh_token: Secret) -> bool:
        """The token is not valid any more."""
        self.valid.discard(refresh_token.reveal())
        return True

    def admin_consent_url(self, way: Way, redirect_uri: str, state: str) -> str:
        """None."""
        return ""

    async def aclose(self) -> None:
        """Nothing to close."""


@dataclass
class _Cell:
    row: GrantRow
    access_until: float = 0.0
    dead_at: float = 0.0
    refreshed_at: float = 0.0
    holder: str = ""
    lease_until: float = 0.0


@dataclass
class MemoryGrants:
    """A :class:`~config.oauth.grant_store.GrantStore`. ``away`` is how many verbs fail next; ``lost`` those of them
    that are done before they fail. ``kept`` has every access token that was ever stored. ``before`` runs in each verb.
    ``sealed_otherwise`` are grants that cannot be opened.
    """

    clock: Callable[[], float]
    cells: dict[str, _Cell] = field(default_factory=dict)
    away: int = 0
    lost: int = 0
    kept: set[str] = field(default_factory=set)
    before: Callable[[], Awaitable[object]] = lambda: asyncio.sleep(0)
    sealed_otherwise: set[str] = field(default_factory=set)

    def add(self, grant: str = "g1", *, access: str = "", fresh_for: float = 0.0, **changes: Any) -> None:
        """A grant of a person, with the refresh token ``r0``."""
        values: dict[str, Any] = {
            "id": grant,
            "organization": "acme",
            "provider": Provider.MICROSOFT,
            "method": Method.PERSON,
            "way": Way.API,
            "version": 1,
            "refresh_token": Secret("r0"),
            "access_token": Secret(access) if access else None,
        }
        self.cells[grant] = _Cell(GrantRow(**{**values, **changes}), self.clock() + fresh_for)
        self.kept.add(access)

    def reconnect(self, refresh_token: str, grant: str = "g1") -> None:
        """Somebody consented again."""
        cell = self.cells[grant]
        version, token = cell.row.version + 1, Secret(refresh_token)
        cell.row = replace(cell.row, version=version, refresh_token=token, access_token=None, dead=None)
        cell.holder = ""

    async def get(self, grant: str) -> GrantRow | None:
        """A row as of now."""
        await self._begin()
        if grant in self.sealed_otherwise:
            raise SecretUnreadable("a sealed value cannot be opened")
        cell = self.cells.get(grant)
        return self._view(cell) if cell else None

    async def take_lease(self, grant: str, version: int, holder: str, seconds: float) -> Lease | None:
        """By the clock of the store."""
        await self._begin()
        cell = self.cells[grant]
        free = cell.holder in ("", holder)
        if cell.row.version != version or not (free or cell.lease_until <= self.clock()):
            return None
        cell.holder, cell.lease_until = holder, self.clock() + seconds
        self._end()
        return Lease.FREE if free else Lease.OVERDUE

    async def release(self, grant: str, holder: str) -> None:
        """If it is this holder's."""
        await self._begin()
        if self.cells[grant].holder == holder:
            self.cells[grant].holder = ""

    async def keep(self, grant: str, version: int, holder: str, tokens: TokenSet, fresh_for: float) -> GrantRow | None:
        """If the version fits."""
        await self._begin()
        cell = self.cells[grant]
        if cell.row.version != version:
            return None
        cell.row = replace(
            cell.row,
            version=version + 1,
            refresh_token=tokens.refresh_token or cell.row.refresh_token,
            access_token=tokens.access_token,
            dead=None,
            dead_detail="",
        )
        cell.access_until, cell.refreshed_at, cell.holder = self.clock() + fresh_for, self.clock(), ""
        self.kept.add(tokens.access_token.reveal())
        self._end()
        return self._view(cell)

    async def mark_dead(self, grant: str, version: int, holder: str, code: Code, detail: str) -> bool:
        """If version and lease fit."""
        await self._begin()
        cell = self.cells[grant]
        if cell.row.version != version or cell.holder not in ("", holder):
            return False
        cell.row = replace(cell.row, dead=code, dead_detail=detail)
        cell.dead_at, cell.holder = self.clock(), ""
        return True

    async def stale(self, seconds: float, limit: int) -> Sequence[str]:
        """The oldest first."""
        await self._begin()
        old = [
            (cell.refreshed_at, grant)
            for grant, cell in self.cells.items()
            if cell.row.dead is None and self.clock() - cell.refreshed_at > seconds
        ]
        return [grant for _, grant in sorted(old)][:limit]

    async def _begin(self) -> None:
        await self.before()
        if self.away > self.lost:
            self.away -= 1
            raise StoreUnavailable("away")

    def _end(self) -> None:
        if self.away and self.lost:
            self.away, self.lost = self.away - 1, self.lost - 1
            raise StoreUnavailable("the answer was lost")

    def _view(self, cell: _Cell) -> GrantRow:
        dead_for = self.clock() - cell.dead_at if cell.row.dead else 0.0
        return replace(cell.row, fresh_for=cell.access_until - self.clock(), dead_for=dead_for)
