"""One event from its parsed form to a verdict: whose transport, and what keeps it from leaving. Knows no AMQP."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from config.errors import SettingsUnreadable, StoreUnavailable
from config.logs import get_logger
from config.organizations import Directory, Organizations
from consumer.attempt import Attempt
from consumer.breakers import Breakers
from consumer.carrying import Carriers, Carrying
from consumer.events import Event
from consumer.holding import PlatformHold
from consumer.judging import Judge
from consumer.ledger import Ledger
from consumer.marks import Marks
from consumer.metrics import Metrics
from consumer.notices import Notices
from consumer.outcome import Branch, Dead, Hand, NotBegun, Park, Reason, Retry, Verdict
from consumer.platform_trouble import PlatformTrouble
from consumer.retry import Policy
from consumer.routing import DEFAULT, Account, NoRoute, PlatformDefault, Route, choose
from consumer.sending import Sending
from consumer.steps import Watch, nobody
from consumer.suspensions import Suspensions
from consumer.turns import GoAside, Turns
from transports.cache import TransportCache
from transports.errors import Code, PlatformProblem, Temporary

log = get_logger(__name__)

_STORE_PAUSE = 15.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a delivery needs from outside, given once by the composition root.

    ``now`` gives the wall clock, ``clock`` monotonic seconds, ``random`` a number in [0, 1); ``deadline`` is the send
    deadline in seconds. ``crowded`` tells whether a partition has a long queue; ``held`` are the categories whose
    events are held when their outcome is unknown.
    """

    directory: Directory
    organizations: Organizations
    transports: TransportCache[Account]
    ledger: Ledger
    turns: Turns
    breakers: Breakers
    holding: PlatformHold
    trouble: PlatformTrouble
    metrics: Metrics
    notices: Notices
    default: PlatformDefault | None
    policy: Policy
    deadline: float
    now: Callable[[], datetime]
    clock: Callable[[], float]
    random: Callable[[], float]
    held: frozenset[str] = frozenset()
    crowded: Callable[[str], bool] = lambda partition: False
    watch: Watch = nobody


class Delivery:
    """Delivers events. Safe to use concurrently."""

    def __init__(self, surroundings: Surroundings) -> None:
        s = self._s = surroundings
        self._judge = Judge(s.policy, s.now, s.random, s.held)
        suspensions = Suspensions(s.organizations, s.directory, s.notices, s.now, s.transports.drop)
        self.marks = Marks(s.ledger, self._judge, s.watch, s.deadline, s.clock)
        self._carrying = Carrying(
            Carriers(
                route=self._route,
                breakers=s.breakers,
                turns=s.turns,
                marks=self.marks,
                sending=Sending(s.transports, s.metrics, suspensions, s.trouble, s.deadline, s.clock),
                suspensions=suspensions,
                judge=self._judge,
                metrics=s.metrics,
                crowded=s.crowded,
                watch=s.watch,
                now=s.now,
                clock=s.clock,
            )
        )

    async def deliver(self, event: Event, attempt: Attempt, hand: Hand) -> Verdict:
        """The verdict for an event, recorded in the ledger; raises for nothing that event, provider or store can do.

        Raises NotBegun when ``hand.begin`` says no. Cancelled while a mail is under way, it answers with an unknown
        outcome instead of raising, because whoever cancels it (the end of a drain) must still settle what may have
        been sent.
        """
        while True:
            transport = DEFAULT
            try:
                route = await self._route(event)
                transport = route.transport
                verdict = await self._by(route, event, attempt, hand)
                if verdict is None:
                    continue
                return verdict
            except GoAside as error:
                aside = error
            except StoreUnavailable:
                self._s.breakers.store_away()
                aside = GoAside(_STORE_PAUSE, Code.STORE_UNAVAILABLE, platform=True)
            except SettingsUnreadable:
                # A row that cannot be read must never look like "nothing configured" (R6).
                log.error("organization settings cannot be read", organization=event.organization_id)
                return Verdict(transport, branches=(Branch(Park(), Reason.SETTINGS_UNREADABLE),))
            except NotBegun:
                raise
            except Exception as fault:
                log.exception("delivery failed unexpectedly", event_id=event.id, organization=event.organization_id)
                branch = self._judge.branch(Temporary(Code.INTERNAL_ERROR, type(fault).__name__), event, attempt)
                return await self._ended(branch, transport, event, attempt, hand)
            if not await self._worth_waiting(aside, hand):
                branch = self._judge.aside(aside.after, aside.reason, event)
                return await self._ended(branch, transport, event, attempt, hand)

    async def give_up(self, reason: Reason, event: Event, attempt: Attempt, hand: Hand) -> Verdict:
        """The verdict for an event that is not to be sent any more; never raises for anything the store does."""
        return await self._ended(Branch(Dead(), reason), "", event, attempt, hand)

    async def _by(self, route: Route | NoRoute, event: Event, attempt: Attempt, hand: Hand) -> Verdict | None:
        if isinstance(route, Route):
            return await self._carrying.carry(route, event, attempt, hand)
        if route.platform:
            error = PlatformProblem(Code(route.reason), "no default SMTP service is configured")
            self._s.trouble.met(route.transport, error)
            raise self._s.breakers.no_route(error.code)
        ended = await self._carrying.ended_before(event, attempt, hand) if hand.redelivered else None
        if ended is not None:
            return replace(ended, transport=route.transport)
        branch = Branch(Park(), route.reason)
        if event.expiry is not None and event.expiry <= self._s.now():
            branch = Branch(Dead(), Reason.EXPIRED)
        return await self._ended(branch, route.transport, event, attempt, hand)

    async def _ended(self, branch: Branch, transport: str, event: Event, attempt: Attempt, hand: Hand) -> Verdict:
        """The verdict of a branch that nothing was sent for; of a dead letter the ledger has to know."""
        if isinstance(branch.decision, Dead):
            try:
                return await self._carrying.give_up(branch, transport, event, attempt, hand)
            except GoAside as error:
                branch = Branch(Retry(error.after, counted=False), error.reason)
            except StoreUnavailable:
                branch = Branch(Retry(_STORE_PAUSE, counted=False), Code.STORE_UNAVAILABLE)
        return Verdict(transport, branches=(branch,))

    async def _worth_waiting(self, aside: GoAside, hand: Hand) -> bool:
        """When nothing at all can be sent it waits in hand: with a full prefetch, that is what pauses consumption."""
        if not aside.platform:
            return False
        # A third of the deadline is kept for the send.
        left = self._s.deadline * 2 / 3 - (self._s.clock() - hand.received)
        if left <= 0 or not self._s.holding.everything():
            return False
        await self._s.holding.wait(min(aside.soonest, left))
        return True

    async def _route(self, event: Event) -> Route | NoRoute:
        settings = await self._s.directory.get(event.organization_id)
        return choose(settings, self._s.default, self._s.now())
