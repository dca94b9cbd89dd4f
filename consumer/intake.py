"""One delivered message up to its verdict: its headers, its bytes parsed, the delivery. Acts on nothing."""

import math
from collections.abc import Callable, Mapping
from datetime import datetime

from config.logs import get_logger
from consumer import names
from consumer.attempt import Attempt, read
from consumer.broker import Incoming
from consumer.delivery import Delivery
from consumer.events import Event, InvalidEvent, parse
from consumer.metrics import Metrics
from consumer.outcome import Branch, Dead, Finding, Hand, Label, Reason, Reroute, Retry, Verdict
from consumer.parking import LONGEST
from consumer.partition import partition_of
from consumer.retry import Policy, decide
from transports.errors import Code, Temporary

log = get_logger(__name__)

_WORN = 25
"""Half of the work queues' delivery limit."""

_IMPLAUSIBLE = 30 * 3600.0
"""Seconds: longer than any pause of ours, so only a clock that jumped or a forged header asks for it."""

_EARLY = 1.0
"""Seconds by which an event may start before its ``not-before``: the precision of the shortest wait queue."""

_EARLY_BY_REASON: Mapping[str, float] = {
    Reason.PACED: 2.0,
    Reason.CROWDED: math.inf,
    Reason.BREAKER_OPEN: math.inf,
    Reason.PLATFORM_HOLD: math.inf,
    Code.PLATFORM_SETTINGS: math.inf,
    Code.PLATFORM_CREDENTIALS: math.inf,
}
"""The same for what only waits its turn: its lane decides exactly, so a further hop would gain nothing."""

Skim = Callable[[str, str, bool], tuple[float, Reason | Code] | None]
"""Where a message goes by its partition, organisation and whether it comes back from a wait, if it is skimmed off."""

_UNREAD = (b'"priority"', b'"expirytime"')
"""What an event must not have to be put off unread: it might go first, or not be worth putting off."""


class Intake:
    """Turns a message into a verdict. ``partitions`` is their number, ``max_bytes`` bounds a message."""

    def __init__(
        self,
        delivery: Delivery,
        *,
        metrics: Metrics,
        partitions: int,
        max_bytes: int,
        policy: Policy,
        now: Callable[[], datetime],
        random: Callable[[], float],
        skim: Skim = lambda partition, organization, due: None,
    ) -> None:
        self._skim = skim
        self._delivery = delivery
        self._metrics = metrics
        self._partitions = partitions
        self._max_bytes = max_bytes
        self._policy = policy
        self._now = now
        self._random = random

    def too_early(self, incoming: Incoming) -> Finding | None:
        """The finding for a message whose time has not come, from its headers alone; ``None`` if it may start."""
        now = self._now()
        attempt = read(incoming.properties.headers, now)
        if attempt.not_before is None:
            return None
        remaining = (attempt.not_before - now).total_seconds()
        early = _EARLY_BY_REASON.get(str(incoming.properties.headers.get(names.H_REASON)), _EARLY)
        if remaining <= early or remaining > _IMPLAUSIBLE:
            return None
        return self._without_event(attempt, Branch(Retry(remaining, counted=False), Reason.NOT_YET))

    def skimmed(self, incoming: Incoming, partition: str) -> Finding | None:
        """The finding for one of very many messages of an organisation, unread; ``None`` for all others."""
        headers = incoming.properties.headers
        organization = headers.get(names.H_ORGANIZATION)
        if not isinstance(organization, str):
            return None
        aside = self._skim(partition, organization, names.H_NOT_BEFORE in headers)
        if aside is None or any(name in incoming.body for name in _UNREAD):
            return None
        return self._without_event(read(headers, self._now()), Branch(Retry(aside[0], counted=False), aside[1]))

    def poison(self, incoming: Incoming) -> Finding:
        """The finding for a message that killed the process too often; its bytes are not looked at again."""
        log.error("poison message", queue=incoming.queue, event_id=incoming.properties.message_id)
        attempt = read(incoming.properties.headers, self._now())
        return self._without_event(attempt, Branch(Dead(), Reason.POISON))

    def put_off(self, incoming: Incoming, after: float, reason: Reason | Code) -> Finding:
        """The finding for a message that cannot be looked into now."""
        attempt = read(incoming.properties.headers, self._now())
        return self._without_event(attempt, Branch(Retry(after, counted=False), reason))

    def worn(self, incoming: Incoming, partition: str) -> Finding | None:
        """The finding for a message whose delivery count nears the broker's limit: a fresh copy of it, or ``None``.

        Innocent messages gather counts whenever a process that had prefetched them dies.
        """
        if incoming.delivery_count < _WORN:
            return None
        attempt = read(incoming.properties.headers, self._now())
        return self._without_event(attempt, Branch(Reroute(partition), Reason.RENEWED))

    def defect(self, incoming: Incoming, fault: Exception) -> Finding:
        """The finding for a message on which our own code failed: a few tries, then a dead letter."""
        log.error("an event met a defect", event_id=incoming.properties.message_id, exc_info=fault)
        attempt = read(incoming.properties.headers, self._now())
        error = Temporary(Code.INTERNAL_ERROR, type(fault).__name__)
        branch = decide(
            error,
            attempt,
            now=self._now(),
            expiry=None,
            hold_unknown=False,
            policy=self._policy,
            random=self._random,
        )
        return self._without_event(attempt, branch)

    async def find(self, incoming: Incoming, hand: Hand) -> Finding:
        """Parses and delivers. The partition is that of the queue, empty for the unsorted one.

        Raises NotBegun when ``hand.begin`` says no.
        """
        now = self._now()
        attempt = read(incoming.properties.headers, now)
        try:
            event = parse(incoming.body, incoming.properties.headers, max_bytes=self._max_bytes)
        except InvalidEvent as error:
            branch = Branch(Dead(), Reason.INVALID_EVENT, detail=error.problem, path=error.path)
            return self._without_event(attempt, branch)
        label = Label(event.id, event.organization_id, event.category, event.time, event.expiry)
        right = partition_of(event.organization_id, self._partitions)
        if right != hand.partition:
            return Finding(attempt, label, Verdict("", branches=(Branch(Reroute(right), Reason.MISROUTED),)))
        if event.expiry is not None and event.expiry <= now:
            return Finding(attempt, label, await self._delivery.give_up(Reason.EXPIRED, event, attempt, hand))
        if attempt.paused > LONGEST.total_seconds():
            return Finding(attempt, label, await self._delivery.give_up(Reason.PARKED_TOO_LONG, event, attempt, hand))
        self._count(event, attempt, incoming)
        return Finding(attempt, label, await self._delivery.deliver(event, attempt, hand))

    @staticmethod
    def _without_event(attempt: Attempt, branch: Branch) -> Finding:
        return Finding(attempt, None, Verdict("", branches=(branch,)))

    def _count(self, event: Event, attempt: Attempt, incoming: Incoming) -> None:
        # Whoever put it back, for a retry, aside or out of parking, left a reason.
        headers = incoming.properties.headers
        seen = names.H_REASON in headers and names.H_UNREAD not in headers
        again = attempt.number > 0 or incoming.redelivered or seen
        if not again:
            self._metrics.received(event.category)
            if event.time is not None:
                self._metrics.queued((self._now() - event.time).total_seconds())
