"""The values of the token source: what it may take, what it keeps in memory, what it tells."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal

from config.oauth.grant_store import GrantRow
from config.oauth.values import Provider, TokenSet
from config.secrets import Secret
from transports.errors import AccountProblem, Code, DeliveryError, PlatformProblem, Temporary, Throttled

RefreshResult = Literal["ok", "rotated", "refused", "dead", "platform", "throttled", "unavailable", "unknown"]
"""How one call to a token endpoint ended: a closed set, because it becomes a metric label.

``refused``: an account problem that is yet to be confirmed; ``dead``: a confirmed one. ``unknown``: a refusal, or an
answer, that no table has.
"""
RESULTS: Final[tuple[RefreshResult, ...]] = (
    *("ok", "rotated", "refused", "dead"),
    *("platform", "throttled", "unavailable", "unknown"),
)

OnRefresh = Callable[[Provider, RefreshResult], None]
"""Told of each call to a token endpoint; must neither block nor raise."""


def unheard(_: Provider, __: RefreshResult) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class World:
    """Time and chance. ``clock`` is monotonic, ``wall`` seconds since the epoch, ``random`` from 0 to 1."""

    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    random: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True)
class TokenPolicy:
    """Spans in seconds.

    A token is replaced in the background when less than ``early`` (and a random part of ``spread``, so that replicas
    and organisations do not come together) is left of it, but never before half of its time; with less than ``least``
    it is not handed out any more. ``lease`` outlasts one call. A refusal is confirmed after ``confirm``; where another
    replica had begun and did not say how it ended, after the time in which that one stores what it may have, which is
    ``flush_most`` and a ``margin``. Who waits for
    another replica looks again after ``poll``, growing to ``poll_most``, for ``whole`` at most. A dead grant is
    tried every ``probe``, a little more often than events probe it, and after ``insisted`` for somebody who waits.
    After a failure that is nobody's fault the next call waits from ``back_off`` on, growing to ``back_off_most``. What
    was not used is refreshed after ``idle``.
    """

    early: float = 300.0
    spread: float = 240.0
    least: float = 60.0
    lease: float = 60.0
    confirm: float = 2.0
    poll: float = 0.05
    poll_most: float = 1.0
    whole: float = 100.0
    probe: float = 3000.0
    insisted: float = 5.0
    back_off: float = 2.0
    back_off_most: float = 60.0
    persist: tuple[float, ...] = (0.2, 1.0, 3.0)
    flush_most: float = 30.0
    margin: float = 10.0
    idle: float = 60 * 86_400.0


@dataclass(frozen=True, slots=True)
class Kept:
    """An access token in memory. ``until`` and ``early`` are by the monotonic clock, ``until_wall`` by the other.

    With less than ``least`` seconds it is not handed out.
    """

    version: int
    access: Secret
    until: float
    until_wall: float
    early: float
    least: float

    def left(self, now: float, wall: float) -> float:
        """Seconds that are left of it: of a machine that slept, only one of the two clocks knows."""
        return min(self.until - now, self.until_wall - wall)


@dataclass(frozen=True, slots=True)
class Pending:
    """What a refresh of ``row`` gave and the store does not have yet; ``until`` is the access token's end."""

    row: GrantRow
    tokens: TokenSet
    until: float


@dataclass(slots=True)
class Entry:
    """What a process knows of a grant. ``pending`` is not in the store yet.

    ``doubtful`` is a version whose refresh another process began and may have ended without being able to say so.
    """

    grant: str
    kept: Kept | None = None
    pending: Pending | None = None
    doubtful: int | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of a refresh: a token other than ``refused``, and newer than ``newer_than`` (monotonic end).

    ``insist``: a dead grant is tried although its slow probe is not due.
    """

    refused: str | None = None
    newer_than: float | None = None
    insist: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no token; each who asked gets an exception of their own."""

    error: type[DeliveryError]
    code: Code
    detail: str = ""
    retry_after: float | None = None

    @classmethod
    def of(cls, error: DeliveryError) -> "Failure":
        """The failure in an exception."""
        return cls(type(error), error.code, error.detail, error.retry_after)

    def exception(self, retry_after: float | None = None) -> DeliveryError:
        """A new exception."""
        return self.error(self.code, self.detail, retry_after=self.retry_after if retry_after is None else retry_after)

    @property
    def of_account(self) -> bool:
        """Whether the grant itself is of no use."""
        return issubclass(self.error, AccountProblem)


@dataclass(frozen=True, slots=True)
class Idle:
    """An unused grant that was refreshed; with ``failure`` if that failed. Of an account's, the organisation learns."""

    grant: str
    organization: str
    failure: Failure | None = None


def result_of(error: DeliveryError) -> RefreshResult:
    """The label of a failed call; an account problem is ``refused`` until it is confirmed."""
    if error.code is Code.UNKNOWN_REPLY:
        return "unknown"
    if isinstance(error, AccountProblem):
        return "refused"
    if isinstance(error, PlatformProblem):
        return "platform"
    return "throttled" if isinstance(error, Throttled) else "unavailable"


STORE_AWAY: Final = Failure(PlatformProblem, Code.STORE_UNAVAILABLE)
TOO_LONG: Final = Failure(Temporary, Code.SIGN_IN_UNAVAILABLE, "no token in time")
NO_GRANT: Final = Failure(AccountProblem, Code.RECONNECTION_NEEDED, "no grant")
