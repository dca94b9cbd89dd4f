"""One event by one route: the breaker's leave, a turn, the ledger's mark, the send, the record. In this order, always.

Before the mark nothing of the event has left; after the record nothing of it is forgotten. What lies between is what a
crash makes an unknown outcome of, and only that.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from config.logs import get_logger
from consumer import compose
from consumer.attempt import Attempt
from consumer.breakers import Breakers, Permit
from consumer.events import Event
from consumer.judging import Judge
from consumer.marks import Mark, Marks
from consumer.metrics import Metrics
from consumer.outcome import Branch, Dead, Hand, NotBegun, Reason, Verdict
from consumer.routing import NoRoute, Route
from consumer.sending import NotHandedOver, Sending
from consumer.steps import Step, Watch
from consumer.suspensions import Suspensions
from consumer.turns import Ask, GoAside, Turn, Turns
from transports.errors import Code, DeliveryError, OutcomeUnknown, Temporary, Throttled
from transports.message import Receipt

log = get_logger(__name__)

_SLOW_STORE = 15.0
"""Seconds for which an event goes aside whose mark took too long."""


@dataclass(frozen=True, slots=True)
class Carriers:
    """What carries events; see each part. ``route`` looks up the route in force, ``crowded`` knows partitions.

    ``now`` is the wall clock, ``clock`` monotonic seconds.
    """

    route: Callable[[Event], Awaitable[Route | NoRoute]]
    breakers: Breakers
    turns: Turns
    marks: Marks
    sending: Sending
    suspensions: Suspensions
    judge: Judge
    metrics: Metrics
    crowded: Callable[[str], bool]
    watch: Watch
    now: Callable[[], datetime]
    clock: Callable[[], float]


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the provider said: a receipt, or an error for the whole mail. ``asked`` is whether it was asked at all."""

    receipt: Receipt | None = None
    error: DeliveryError | None = None
    expired: bool = False
    asked: bool = True

    @property
    def pace(self) -> DeliveryError | None:
        """What the lane is to learn from it."""
        if self.receipt is None:
            return self.error
        return next((error for _, error in self.receipt.refused if isinstance(error, Throttled)), None)


class _Leave:
    """The breakers' leave for one mail; what was not used is given up at the end of the block."""

    def __init__(self, breakers: Breakers, route: Route) -> None:
        self._breakers = breakers
        self._route = route
        self._permit: Permit | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._permit is not None:
            self._breakers.give_up(self._permit)

    async def take(self) -> None:
        """Asks for it; raises GoAside."""
        self._permit = await self._breakers.enter(self._route)

    async def renew(self) -> None:
        """Sees to it that it still holds; raises GoAside."""
        if self._permit is None or not self._breakers.still(self._permit):
            self.__exit__()
            self._permit = None
            await self.take()

    async def left(self, error: DeliveryError | None) -> None:
        """What became of the mail."""
        permit, self._permit = self._permit, None
        if permit is not None:
            await self._breakers.left(permit, error)


class Carrying:
    """Carries events. Safe to use concurrently."""

    def __init__(self, carriers: Carriers) -> None:
        self._c = carriers

    async def carry(self, route: Route, event: Event, attempt: Attempt, hand: Hand) -> Verdict | None:
        """The verdict, recorded in the ledger; ``None`` when the event has another route by now, and nothing was sent.

        Raises GoAside, NotBegun and StoreUnavailable, and then nothing was sent either; nothing that a provider can do.
        """
        c = self._c
        if not await hand.ready():
            raise NotBegun
        shut = c.breakers.closed(route)
        if shut is not None:
            raise shut
        with _Leave(c.breakers, route) as leave:
            async with c.turns.take(self._ask(route, event, attempt, hand)) as turn:
                await leave.take()
                mark = await c.marks.begin(event, attempt, hand)
                if isinstance(mark, Verdict):
                    return replace(mark, transport=route.transport)
                try:
                    await turn.granted()
                    count = c.suspensions.count(route)
                    if not await self._may_leave(route, event, mark, hand, leave):
                        return None
                    answer = await self._answer(route, event, attempt, mark, hand, turn)
                finally:
                    await c.marks.undo(mark)
                hand.answered()
                if answer.asked:
                    turn.ended(answer.pace)
            # First of all the record: whatever follows can be done without, or again.
            verdict = await self._judged(answer, route, event, attempt, mark)
            verdict = await c.marks.record(mark, verdict, event.id)
            if answer.asked:
                await leave.left(answer.error)
        if verdict.accepted:
            await c.suspensions.accepted(route, parked=attempt.paused > 0, count=count)
        return verdict

    async def _may_leave(self, route: Route, event: Event, mark: Mark, hand: Hand, leave: "_Leave") -> bool:
        """The last look, as much may have happened while it waited its turn; ``False``: it has another route now.

        Raises NotBegun and GoAside.
        """
        if not await hand.begin():
            raise NotBegun
        if await self._c.route(event) != route:
            return False
        if self._c.marks.stale(mark):
            raise GoAside(_SLOW_STORE, Code.STORE_UNAVAILABLE, platform=True)
        await leave.renew()
        return True

    async def give_up(self, branch: Branch, transport: str, event: Event, attempt: Attempt, hand: Hand) -> Verdict:
        """The verdict for an event that becomes a dead letter without a send. Raises GoAside and StoreUnavailable."""
        mark = await self._c.marks.begin(event, attempt, hand)
        if isinstance(mark, Verdict):
            return replace(mark, transport=transport)
        return await self._c.marks.record(mark, Verdict(transport, branches=(mark.limited(branch),)), event.id)

    def _ask(self, route: Route, event: Event, attempt: Attempt, hand: Hand) -> Ask:
        return Ask(
            route.key,
            event.organization_id,
            route.limits,
            high=event.data.priority == "high",
            units=event.recipients if attempt.owed is None else len(attempt.owed),
            due=attempt.not_before is not None,
            crowded=self._c.crowded(hand.partition),
            fingerprint=route.fingerprint,
        )

    async def ended_before(self, event: Event, attempt: Attempt, hand: Hand) -> Verdict | None:
        """The verdict for an event that has ended already, by another copy or by this one; ``None`` for an open one.

        Raises GoAside and StoreUnavailable.
        """
        mark = await self._c.marks.begin(event, attempt, hand)
        if isinstance(mark, Verdict):
            return mark
        await self._c.marks.undo(mark)
        return None

    async def _answer(
        self, route: Route, event: Event, attempt: Attempt, mark: Mark, hand: Hand, turn: Turn
    ) -> _Answer:
        mark.open = False
        if event.expiry is not None and event.expiry <= self._c.now():
            return _Answer(expired=True, asked=False)
        try:
            mail = compose.compose(event, route.sender, owed=mark.share.mine, first_seen=attempt.first_seen)
        except DeliveryError as error:
            return _Answer(error=error, asked=False)
        except Exception as fault:
            log.exception("a mail could not be composed", event_id=event.id, organization=event.organization_id)
            return _Answer(error=Temporary(Code.INTERNAL_ERROR, type(fault).__name__), asked=False)
        self._c.metrics.waited(route.transport, self._c.clock() - hand.received)
        self._c.watch(Step.SENDING, event.id)
        turn.begins()
        try:
            receipt = await self._c.sending.send(route, mail, hand.received)
        except DeliveryError as error:
            return _Answer(error=error)
        except Exception as fault:
            # A defect of ours: whether the mail left is known only if it came before the transport was asked.
            log.exception("sending failed unexpectedly", event_id=event.id, organization=event.organization_id)
            name = type(fault).__name__
            if isinstance(fault, NotHandedOver):
                return _Answer(error=Temporary(Code.INTERNAL_ERROR, name), asked=False)
            return _Answer(error=OutcomeUnknown(Code.OUTCOME_UNKNOWN, name))
        finally:
            self._c.watch(Step.HANDED_OFF, event.id)
        return _Answer(receipt)

    async def _judged(self, answer: _Answer, route: Route, event: Event, attempt: Attempt, mark: Mark) -> Verdict:
        if answer.expired:
            return Verdict(route.transport, branches=(mark.limited(Branch(Dead(), Reason.EXPIRED)),))
        if answer.receipt is None:
            assert answer.error is not None  # noqa: S101 - the one or the other
            branch = self._c.judge.branch(answer.error, event, attempt)
            return Verdict(route.transport, branches=(mark.limited(branch),))
        attributed: dict[int, DeliveryError] = {}
        for _, refusal in answer.receipt.refused:
            if id(refusal) not in attributed:
                attributed[id(refusal)] = await self._c.sending.attributed(refusal, route)
        refused = [(position, attributed[id(error)]) for position, error in answer.receipt.refused]
        branches = self._c.judge.branches(refused, event, attempt)
        return Verdict(route.transport, answer.receipt.accepted, branches)
