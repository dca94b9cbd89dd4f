"""Who may call a provider for one account, and when: what protects a mailbox that an API transport sends from.

* at most ``maximum`` calls at once;
* while it is not known whether the grant works, at first and after a few seconds without a call, one goes alone
  (*single flight*), and its failure is everybody's who waits: a dead grant costs one failed call however many mails
  there are, and a dead host is not stormed;
* a refused grant is remembered: until ``refusal_pause`` has passed nothing is called any more, unless a check
  succeeds or the transport is rebuilt for new settings;
* when the provider says how long to wait, nobody calls before. An account's waits are kept in ``Holds``, which outlive
  its transport. What needs a person is not: it suspends the account, and goes with the transport once that is over.
"""

import asyncio
import copy
import math
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from transports.errors import (
    AccountProblem,
    Code,
    DeliveryError,
    OutcomeUnknown,
    PlatformProblem,
    Throttled,
    Unreachable,
)
from transports.holds import Holds

T = TypeVar("T")
_WORKING = frozenset({Code.SENDER_REFUSED, Code.QUOTA_EXHAUSTED})
"""Account problems that say nothing against the grant."""
_UNTRIED = frozenset({Code.SIGN_IN_UNAVAILABLE})
"""Temporary failures from before the provider's answer: whether the grant works is not known afterwards."""

_PROOF_LASTS = 5.0
"""Seconds after a call that ended well. Grants die in silence: whoever comes after it goes alone, the next ones not."""


class AccountGate:
    """One for each transport; ``name`` is the transport's, ``clock`` monotonic, ``refusal_pause`` in seconds.

    ``holds`` are those of all transports of the kind, by ``account``. With ``platform`` a wait that the platform's own
    trouble asks for is one for all their accounts.
    """

    def __init__(
        self,
        name: str,
        maximum: int,
        clock: Callable[[], float],
        refusal_pause: float = 900.0,
        *,
        holds: Holds | None = None,
        account: str = "",
        platform: bool = False,
    ) -> None:
        self._name = name
        self._clock = clock
        self._refusal_pause = refusal_pause
        self._slots = asyncio.Semaphore(maximum)
        self._first = asyncio.Lock()
        self._proven_until = -math.inf
        self._failures = 0
        self._failure: DeliveryError | None = None
        self._refusal: tuple[float, AccountProblem] | None = None
        self._own_holds = Holds()
        self._holds = Holds() if holds is None else holds
        self._account = account
        self._platform = platform
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    async def run(self, work: Callable[[], Awaitable[T]], deadline: float) -> T:
        """What ``work`` gives or raises, once it is its turn; ``deadline`` (loop time) bounds the wait for that alone.

        Raises ``Unreachable(NO_CONNECTION_FREE)`` when the turn does not come in time or the gate is closed, and what
        is remembered of the account.
        """
        self._check()
        arrival = self._failures
        self._running += 1
        self._idle.clear()
        try:
            if self._slots.locked():
                await self._in_time(self._slots.acquire(), deadline)
            else:
                await self._slots.acquire()
            try:
                self._check()
                if not self._proven:
                    return await self._alone(work, deadline, arrival)
                return await self._observed(work)
            finally:
                self._slots.release()
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()

    def approve(self) -> None:
        """The grant works, as was seen elsewhere: a refusal is forgotten."""
        self._refusal = None
        self._proven_until = self._clock() + _PROOF_LASTS

    def learn(self, error: DeliveryError) -> None:
        """What an ``error`` that was met says about the account."""
        if isinstance(error, AccountProblem) and error.code not in _WORKING:
            self._refusal = (self._clock() + self._refusal_pause, copy.copy(error))
            self._proven_until = -math.inf
        elif isinstance(error, Unreachable | PlatformProblem) or error.code in _UNTRIED:
            # A copy: the error itself holds, by its traceback, the mail that met it.
            self._failures, self._failure = self._failures + 1, copy.copy(error)
            self._proven_until = -math.inf
            if isinstance(error, PlatformProblem):
                self._wait_for(error)
        elif not isinstance(error, OutcomeUnknown):
            self.approve()
            if isinstance(error, Throttled | AccountProblem):
                self._wait_for(error)

    def _wait_for(self, error: DeliveryError) -> None:
        if isinstance(error, Throttled):
            self._holds.add(self._account, error, self._clock())
        elif isinstance(error, PlatformProblem) and self._platform:
            self._holds.add(None, error, self._clock())
        else:
            self._own_holds.add(None, error, self._clock())

    def held(self) -> DeliveryError | None:
        """What is met until the time has come that the provider named; ``retry_after`` is what is left of it."""
        return max(self._all_held(), key=lambda held: held.retry_after or 0.0, default=None)

    def _all_held(self) -> Iterator[DeliveryError]:
        now = self._clock()
        found = [self._own_holds.held(None, now), self._holds.held(self._account, now)]
        if self._platform:
            found.append(self._holds.held(None, now))
        return (held for held in found if held is not None)

    async def aclose(self) -> None:
        """Ends the waiting and lets the running calls finish. Idempotent."""
        self._closed = True
        await self._idle.wait()

    @property
    def _proven(self) -> bool:
        return self._clock() < self._proven_until

    async def _alone(self, work: Callable[[], Awaitable[T]], deadline: float, arrival: int) -> T:
        await self._in_time(self._first.acquire(), deadline)
        try:
            if not self._proven:
                self._check()
                if self._failures > arrival and self._failure is not None:
                    raise copy.copy(self._failure)
                return await self._observed(work)
        finally:
            self._first.release()
        self._check()
        return await self._observed(work)

    async def _observed(self, work: Callable[[], Awaitable[T]]) -> T:
        try:
            result = await work()
        except DeliveryError as error:
            self.learn(error)
            raise
        self.approve()
        return result

    async def _in_time(self, waiting: Awaitable[object], deadline: float) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                await waiting
        except TimeoutError as error:
            raise Unreachable(Code.NO_CONNECTION_FREE, transport=self._name) from error

    def _check(self) -> None:
        if self._closed:
            raise Unreachable(Code.NO_CONNECTION_FREE, "closed", transport=self._name)
        if self._refusal is not None:
            until, refusal = self._refusal
            if self._clock() < until:
                raise copy.copy(refusal)
            self._refusal = None
        if (held := self.held()) is not None:
            raise held
