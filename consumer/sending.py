"""Handing one mail to its transport, and whose fault it is when that fails. Decides nothing about what comes after."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from config.logs import get_logger
from consumer.metrics import Metrics
from consumer.platform_trouble import PlatformTrouble
from consumer.routing import Account, Route
from consumer.suspensions import Suspensions
from transports.cache import TransportCache
from transports.errors import AccountProblem, Code, DeliveryError, OutcomeUnknown, PlatformProblem, Throttled
from transports.message import Mail, Receipt
from transports.protocol import Transport

log = get_logger(__name__)

_SHORT = 1.0
"""Seconds a provider may ask for that are waited for here: the shortest wait queue would bring the event too late."""

_WORTH_IT = 3.0
"""Seconds that must be left of the send deadline for a second try."""

_GRACE = 5.0
"""Seconds beyond the send deadline after which a transport that broke its promise to end is cut off."""


class NotHandedOver(Exception):
    """There is no transport, by a defect of ours: nothing has left."""


@dataclass(frozen=True, slots=True)
class Sending:
    """``deadline`` is the send deadline in seconds, ``clock`` monotonic. Safe to use concurrently."""

    transports: TransportCache[Account]
    metrics: Metrics
    suspensions: Suspensions
    trouble: PlatformTrouble
    deadline: float
    clock: Callable[[], float]

    async def send(self, route: Route, mail: Mail, received: float) -> Receipt:
        """Sends; once more if there was only a moment to wait until the provider takes mail again.

        Both end within the send deadline from ``received`` on, when the mail came into our hands, but a third of it is
        there in any case.

        The receipt has a verdict for every recipient owed. Raises DeliveryError, attributed: on the platform's own
        transport an account problem is ours. Cancelled while the mail is under way, it raises OutcomeUnknown instead,
        because whoever cancels it (the end of a drain) must still settle what may have been sent.
        """
        now = self.clock()
        until = max(received + self.deadline, now + self.deadline / 3)
        try:
            return await self._once(route, mail, until - now)
        except Throttled as error:
            if error.retry_after is None or error.retry_after > min(_SHORT, until - self.clock() - _WORTH_IT):
                raise
            throttled, pause = error, error.retry_after
        try:
            await asyncio.sleep(pause)
        except asyncio.CancelledError:
            raise throttled from None  # nobody has the mail, so whoever cancels this has nothing to fear
        return await self._once(route, mail, until - self.clock())

    async def _once(self, route: Route, mail: Mail, seconds: float) -> Receipt:
        started = self.clock()
        self.metrics.sending(route.transport, 1)
        try:
            async with self._transport(route) as transport, asyncio.timeout(seconds + _GRACE):
                receipt = await transport.send(mail, seconds)
        except TimeoutError as error:
            raise OutcomeUnknown(Code.OUTCOME_UNKNOWN, "deadline", transport=route.transport) from error
        except asyncio.CancelledError as error:
            raise OutcomeUnknown(Code.OUTCOME_UNKNOWN, "stopped", transport=route.transport) from error
        except DeliveryError as error:
            attributed = await self.attributed(error, route)
            if attributed is error:
                raise
            raise attributed from error
        finally:
            self.metrics.sending(route.transport, -1)
            self.metrics.sent(route.transport, self.clock() - started)
        return _complete(receipt, mail)

    @asynccontextmanager
    async def _transport(self, route: Route) -> AsyncIterator[Transport]:
        try:
            using = self.transports.use(route.key, route.account, route.version)
            transport = await using.__aenter__()
        except DeliveryError:
            raise
        except Exception as fault:
            raise NotHandedOver from fault
        try:
            yield transport
        finally:
            await using.__aexit__(None, None, None)

    async def attributed(self, error: DeliveryError, route: Route) -> DeliveryError:
        """Whose fault it is, written down where it has to be."""
        if isinstance(error, AccountProblem) and route.platform:
            error = PlatformProblem(error.code, error.detail, transport=route.transport, retry_after=error.retry_after)
        if isinstance(error, AccountProblem):
            await self.suspensions.suspend(route, error)
        elif isinstance(error, PlatformProblem):
            self.trouble.met(route.transport, error)
        return error


def _complete(receipt: Receipt, mail: Mail) -> Receipt:
    """The receipt with a verdict for every owed position: a recipient without one must not be lost silently."""
    judged = {*receipt.accepted, *(position for position, _ in receipt.refused)}
    missing = [position for position in mail.owed if position not in judged]
    if not missing:
        return receipt
    unknown = OutcomeUnknown(Code.OUTCOME_UNKNOWN, "no verdict", transport=receipt.transport)
    return replace(receipt, refused=(*receipt.refused, *((position, unknown) for position in missing)))
