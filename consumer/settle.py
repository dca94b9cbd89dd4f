"""The only place that acknowledges. Whatever must live on is published with a confirm first; then, and only then, ack.

A publish that fails is tried again for as long as the delivery is still ours; if its channel dies meanwhile, the
broker delivers the message again and the record in ``recent`` says what is left to do.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from config.logs import get_logger
from consumer import names
from consumer.attempt import Attempt, stamp, write
from consumer.broker import Incoming, Properties, PublishFailed
from consumer.copies import copy_key, origin
from consumer.endings import Endings
from consumer.ledger import Ledger
from consumer.metrics import Metrics
from consumer.notices import Publish
from consumer.outcome import Branch, Dead, Drop, Finding, Label, Park, Progress, Reason, Reroute, Retry
from consumer.retry import tier
from consumer.steps import Step, Watch, nobody

log = get_logger(__name__)

_PUBLISH_PAUSES = (0.1, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class _Copy:
    exchange: str
    routing_key: str
    properties: Properties


class Settler:
    """Publishes what must live on and acknowledges. ``new_copy`` gives a fresh identifier for each republished copy."""

    def __init__(
        self,
        publish: Publish,
        *,
        metrics: Metrics,
        endings: Endings,
        now: Callable[[], datetime],
        new_copy: Callable[[], str],
        ledger: Ledger,
        watch: Watch = nobody,
    ) -> None:
        self._publish = publish
        self._ledger = ledger
        self._watch = watch
        self._metrics = metrics
        self._endings = endings
        self._now = now
        self._new_copy = new_copy

    async def settle(self, incoming: Incoming, partition: str, finding: Finding, progress: Progress) -> bool:
        """Settles a delivery; ``False`` when it is no longer ours (it will come again) and nothing was acknowledged.

        ``progress`` is how far an earlier delivery of the same message came; it is added to.
        """
        event_id = incoming.properties.message_id or ""
        self._endings.handed_off(incoming, partition, finding, progress)
        for index, branch in enumerate(finding.verdict.branches):
            if index in progress.published or isinstance(branch.decision, Drop):
                continue
            # The same identifier at every try, also after a redelivery: a lost confirm may hide a copy.
            name = progress.copies.setdefault(index, self._new_copy())
            copy = self._copy(incoming, partition, finding, branch, name)
            if not await self._republish(incoming, copy, finding.event):
                return False
            progress.published.add(index)
            self._watch(Step.PUBLISHED, event_id)
        closing = finding.verdict.closing
        if closing is not None:
            await self._ledger.end(closing.key, closing.copy, closing.record, closing.mark)
        self._watch(Step.ACKNOWLEDGING, event_id)
        if not incoming.ack():
            return False
        if not progress.counted:  # an ack that was lost on its way is written again, but nothing ends twice
            progress.counted = True
            self._endings.branches(incoming, partition, finding)
        return True

    async def _republish(self, incoming: Incoming, copy: _Copy, event: Label | None) -> bool:
        failures = 0
        while incoming.current():
            try:
                await self._publish(
                    copy.exchange, copy.routing_key, incoming.body, copy.properties, still=incoming.current
                )
            except PublishFailed as failure:
                pause = _PUBLISH_PAUSES[min(failures, len(_PUBLISH_PAUSES) - 1)]
                failures += 1
                self._metrics.publish_failed(failure.reason)
                log.warning(
                    "outcome could not be published",
                    queue=f"{copy.exchange}/{copy.routing_key}",
                    reason=failure.reason,
                    delay=pause,
                    event_id=incoming.properties.message_id,
                    organization=event.organization_id if event is not None else None,
                )
                await asyncio.sleep(pause)
            else:
                return True
        return False

    def _copy(self, incoming: Incoming, partition: str, finding: Finding, branch: Branch, name: str) -> _Copy:
        now = self._now()
        # One replacement in the end instead of one each: this is most of what a hop costs here.
        change: dict[str, Any] = {"copy": name, "not_before": None, "parked_at": None}
        if branch.owed is not None:
            change["owed"] = branch.owed
        headers: dict[str, object] = {names.H_REASON: str(branch.reason)}
        if branch.detail:
            headers[names.H_DETAIL] = branch.detail
        if branch.path:
            headers[names.H_FIELD] = branch.path
        if finding.verdict.transport:
            headers[names.H_TRANSPORT] = finding.verdict.transport
        match branch.decision:
            case Retry(after=after):
                change |= _later(finding.attempt, branch, now)
                exchange, key = names.LATER, str(tier(after, names.WAIT_TIERS))
                headers = _why_it_waits(incoming) if branch.reason is Reason.NOT_YET else headers
                headers |= _unread(incoming, finding.event)
            case Park():
                change["parked_at"] = now
                exchange, key = names.PARKED, partition
            case Dead():
                change |= {"number": finding.attempt.number + 1, "unknown": finding.attempt.unknown + branch.unknown}
                headers[names.H_DEAD_AT] = stamp(now)
                exchange, key = names.DEAD, names.DEAD_KEY
            case Reroute(partition=right):
                change["not_before"] = finding.attempt.not_before
                headers = _why_it_waits(incoming)
                partition = right
                exchange, key = names.SORT, incoming.routing_key
            case Drop():
                raise AssertionError("what has ended already is not published")
        headers |= _origin(incoming, branch)
        ours = self._ours(partition, finding.event) | write(replace(finding.attempt, **change)) | headers
        return _Copy(exchange, key, self._properties(incoming, finding.event, ours))

    @staticmethod
    def _ours(partition: str, event: Label | None) -> dict[str, object]:
        ours: dict[str, object] = {names.H_PARTITION: partition} if partition else {}
        if event is not None:
            ours[names.H_CATEGORY] = event.category
            if event.expiry is not None:
                ours[names.H_EXPIRES] = stamp(event.expiry)
        return ours

    @staticmethod
    def _properties(incoming: Incoming, event: Label | None, ours: dict[str, object]) -> Properties:
        kept = names.foreign_headers(incoming.properties.headers)
        message_id = incoming.properties.message_id
        if event is not None:
            kept[names.H_ORGANIZATION] = event.organization_id
            message_id = event.id
        return replace(incoming.properties, message_id=message_id, headers=kept | ours)


def _later(attempt: Attempt, branch: Branch, now: datetime) -> dict[str, Any]:
    assert isinstance(branch.decision, Retry)  # noqa: S101 - the caller has matched it
    after, counted = branch.decision.after, branch.decision.counted
    # The clock of the retries stands still while an event only waits its turn; a further hop is part of the same wait.
    waits = not counted and branch.reason is not Reason.NOT_YET
    return {
        "number": attempt.number + counted,
        "unknown": attempt.unknown + branch.unknown,
        # A run that ended was no death; what is put off has not run.
        "unfinished": attempt.unfinished + branch.unfinished if branch.unfinished or not counted else 0,
        "not_before": now + timedelta(seconds=after),
        "waited": attempt.waited + (after if waits else 0),
    }


def _origin(incoming: Incoming, branch: Branch) -> dict[str, object]:
    """The name of the copy that the next one goes on for, unless it is one of its own: a counted try, or the end."""
    if isinstance(branch.decision, Dead) or (isinstance(branch.decision, Retry) and branch.decision.counted):
        return {}
    before = origin(incoming, copy_key(incoming) if incoming.redelivered else b"")
    return {names.H_ORIGIN: before} if before else {}


def _unread(incoming: Incoming, event: Label | None) -> dict[str, object]:
    """Whether nobody has looked into the message yet: it is still to be counted as received."""
    had = incoming.properties.headers
    return {names.H_UNREAD: 1} if event is None and (names.H_UNREAD in had or names.H_REASON not in had) else {}


def _why_it_waits(incoming: Incoming) -> dict[str, object]:
    had = incoming.properties.headers
    return {name: had[name] for name in (names.H_REASON, names.H_DETAIL, names.H_TRANSPORT) if name in had}
