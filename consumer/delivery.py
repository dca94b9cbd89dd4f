"""One event from its parsed form to a verdict: whose transport, compose, send, judge. Knows no AMQP."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from config.errors import SettingsUnreadable, StoreUnavailable
from config.logs import get_logger
from config.organizations import Directory, Organizations
from consumer import compose
from consumer.attempt import Attempt
from consumer.events import Event
from consumer.metrics import Metrics
from consumer.notices import Notices
from consumer.outcome import Begin, Branch, Dead, NotBegun, Park, Reason, Retry, Verdict
from consumer.platform_trouble import PlatformTrouble
from consumer.retry import Policy, decide
from consumer.routing import DEFAULT, Account, NoRoute, PlatformDefault, Route, choose
from consumer.slots import NoSlot, Slots
from consumer.suspensions import Suspensions
from transports.cache import TransportCache
from transports.errors import (
    AccountProblem,
    Code,
    DeliveryError,
    OutcomeUnknown,
    PlatformProblem,
    Temporary,
    Throttled,
)
from transports.message import Mail, Receipt

log = get_logger(__name__)

_BUSY_PAUSE = 15.0
"""Seconds for which an event goes aside that found no free slot within a send deadline."""

_SHORT = 1.0
"""Seconds a provider may ask for that are waited for here: the shortest wait queue would bring the event too late."""

_GRACE = 5.0
"""Seconds beyond the send deadline after which a transport that broke its promise to end is cut off."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a delivery needs from outside, given once by the composition root.

    ``now`` gives the wall clock, ``clock`` monotonic seconds, ``random`` a number in [0, 1); ``deadline`` is the send
    deadline in seconds.
    """

    directory: Directory
    organizations: Organizations
    transports: TransportCache[Account]
    metrics: Metrics
    notices: Notices
    default: PlatformDefault | None
    policy: Policy
    deadline: float
    now: Callable[[], datetime]
    clock: Callable[[], float]
    random: Callable[[], float]


async def at_once() -> bool:
    """Lets every mail begin."""
    return True


class Delivery:
    """Delivers events. Safe to use concurrently."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._s = surroundings
        self._slots = Slots()
        self._trouble = PlatformTrouble(surroundings.metrics, surroundings.clock)
        self._suspensions = Suspensions(
            surroundings.organizations,
            surroundings.directory,
            surroundings.notices,
            surroundings.now,
            surroundings.transports.drop,
        )

    async def deliver(self, event: Event, attempt: Attempt, received: float, begin: Begin = at_once) -> Verdict:
        """The verdict for an event; never raises for anything an event, a provider or the store can do.

        ``received`` is when the message came, on the monotonic clock. Raises NotBegun when ``begin`` says no.

        Cancelled while a mail is under way, it answers with an unknown outcome instead of raising, because whoever
        cancels it (the end of a drain) must still settle what may have been sent.
        """
        transport = DEFAULT
        try:
            verdict: Verdict | None = None
            while verdict is None:
                route = await self._route(event)
                transport = route.transport
                if isinstance(route, NoRoute):
                    return self._no_route(route, event, attempt)
                verdict = await self._through(route, event, attempt, received, begin)
        except NotBegun:
            raise
        except DeliveryError as error:
            return Verdict(transport, branches=(self._decide(error, event, attempt),))
        except StoreUnavailable:
            away = PlatformProblem(Code.STORE_UNAVAILABLE, retry_after=15.0)
            return Verdict(transport, branches=(self._decide(away, event, attempt),))
        except SettingsUnreadable:
            # A row that cannot be read must never look like "nothing configured" (R6).
            log.error("organization settings cannot be read", organization=event.organization_id)
            return Verdict(transport, branches=(Branch(Park(), Reason.SETTINGS_UNREADABLE),))
        except Exception as fault:
            log.exception("delivery failed unexpectedly", event_id=event.id, organization=event.organization_id)
            defect = Temporary(Code.INTERNAL_ERROR, type(fault).__name__)
            return Verdict(transport, branches=(self._decide(defect, event, attempt),))
        return verdict

    async def _through(
        self, route: Route, event: Event, attempt: Attempt, received: float, begin: Begin
    ) -> Verdict | None:
        """Sends by this route once it has a free slot; ``None`` when the event has another route by then."""
        limit = route.account.settings.max_connections
        try:
            async with self._slots.hold((route.key, route.version), limit, self._s.deadline):
                if not await begin():
                    raise NotBegun
                count = self._suspensions.count(route)
                if await self._route(event) != route:
                    return None
                if event.expiry is not None and event.expiry <= self._s.now():
                    return Verdict(route.transport, branches=(Branch(Dead(), Reason.EXPIRED),))
                mail = compose.compose(event, route.sender, owed=attempt.owed, first_seen=attempt.first_seen)
                self._s.metrics.waited(route.transport, self._s.clock() - received)
                receipt = await self._send_in_time(route, mail)
                if receipt.accepted:
                    await self._suspensions.accepted(route, parked=attempt.paused > 0, count=count)
                return await self._judge(receipt, route, event, attempt)
        except NoSlot:
            # Going aside is no attempt: the provider was not even asked.
            raise Throttled(Code.NO_CONNECTION_FREE, transport=route.transport, retry_after=_BUSY_PAUSE) from None

    async def _route(self, event: Event) -> Route | NoRoute:
        settings = await self._s.directory.get(event.organization_id)
        return choose(settings, self._s.default, self._s.now())

    async def _send_in_time(self, route: Route, mail: Mail) -> Receipt:
        """Sends; once more if there was only a moment to wait until the provider takes mail again."""
        try:
            return await self._send(route, mail)
        except Throttled as error:
            if error.retry_after is None or error.retry_after > _SHORT:
                raise
            pause = error.retry_after
        await asyncio.sleep(pause)
        return await self._send(route, mail)

    async def _send(self, route: Route, mail: Mail) -> Receipt:
        started = self._s.clock()
        self._s.metrics.sending(route.transport, 1)
        try:
            async with self._s.transports.use(route.key, route.account, route.version) as transport:
                async with asyncio.timeout(self._s.deadline + _GRACE):
                    receipt = await transport.send(mail, self._s.deadline)
        except TimeoutError as error:
            raise OutcomeUnknown(Code.OUTCOME_UNKNOWN, "deadline", transport=route.transport) from error
        except asyncio.CancelledError as error:
            raise OutcomeUnknown(Code.OUTCOME_UNKNOWN, "stopped", transport=route.transport) from error
        except DeliveryError as error:
            raise await self._attribute(error, route) from error
        finally:
            self._s.metrics.sending(route.transport, -1)
            self._s.metrics.sent(route.transport, self._s.clock() - started)
        return _complete(receipt, mail)

    async def _attribute(self, error: DeliveryError, route: Route) -> DeliveryError:
        """Whose fault it is: on the platform's own transport an account problem is ours."""
        if isinstance(error, AccountProblem) and route.platform:
            error = PlatformProblem(error.code, error.detail, transport=route.transport, retry_after=error.retry_after)
        if isinstance(error, AccountProblem):
            await self._suspensions.suspend(route, error)
        elif isinstance(error, PlatformProblem):
            self._trouble.met(route.transport, error)
        return error

    def _no_route(self, route: NoRoute, event: Event, attempt: Attempt) -> Verdict:
        if route.platform:
            error = PlatformProblem(Code(route.reason), "no default SMTP service is configured")
            self._trouble.met(route.transport, error)
            return Verdict(route.transport, branches=(self._decide(error, event, attempt),))
        if event.expiry is not None and event.expiry <= self._s.now():
            return Verdict(route.transport, branches=(Branch(Dead(), Reason.EXPIRED),))
        return Verdict(route.transport, branches=(Branch(Park(), route.reason),))

    async def _judge(self, receipt: Receipt, route: Route, event: Event, attempt: Attempt) -> Verdict:
        """Recipients that were refused, gathered by what becomes of them: one branch for each decision and reason."""
        gathered: dict[tuple[type[object], str], tuple[Branch, list[int]]] = {}
        attributed: dict[int, DeliveryError] = {}
        for position, refusal in receipt.refused:
            if id(refusal) not in attributed:
                attributed[id(refusal)] = await self._attribute(refusal, route)
            error = attributed[id(refusal)]
            branch = self._decide(error, event, attempt)
            kept, positions = gathered.setdefault((type(branch.decision), branch.reason), (branch, []))
            positions.append(position)
            if isinstance(kept.decision, Retry) and isinstance(branch.decision, Retry):
                later = Retry(max(kept.decision.after, branch.decision.after), kept.decision.counted)
                gathered[type(branch.decision), branch.reason] = (replace(kept, decision=later), positions)
        branches = tuple(replace(branch, owed=tuple(owed)) for branch, owed in gathered.values())
        return Verdict(route.transport, receipt.accepted, branches)

    def _decide(self, error: DeliveryError, event: Event, attempt: Attempt) -> Branch:
        return decide(
            error,
            attempt,
            now=self._s.now(),
            expiry=event.expiry,
            hold_unknown=event.data.on_unknown == "hold",
            policy=self._s.policy,
            random=self._s.random,
        )


def _complete(receipt: Receipt, mail: Mail) -> Receipt:
    """The receipt with a verdict for every owed position: a recipient without one must not be lost silently."""
    judged = {*receipt.accepted, *(position for position, _ in receipt.refused)}
    missing = [position for position in mail.owed if position not in judged]
    if not missing:
        return receipt
    unknown = OutcomeUnknown(Code.OUTCOME_UNKNOWN, "no verdict", transport=receipt.transport)
    return replace(receipt, refused=(*receipt.refused, *((position, unknown) for position in missing)))
