"""The only place that acknowledges. Whatever must live on is published with a confirm first; then, and only then, ack.

A publish that fails is tried again for as long as the delivery is still ours; if its channel dies meanwhile, the
broker delivers the message again and the record in ``recent`` says what is left to do.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from config.logs import get_logger
from consumer import names
from consumer.attempt import stamp, write
from consumer.broker import Incoming, Properties, PublishFailed
from consumer.metrics import Metrics
from consumer.notices import Notices, Publish
from consumer.outcome import Branch, Dead, Finding, Label, Park, Progress, Reason, Reroute, Retry
from consumer.retry import tier

log = get_logger(__name__)

_ROUTINE = frozenset({Reason.NOT_YET, Reason.MISROUTED, Reason.RENEWED})
"""Hops that say nothing about an event; they are counted and not logged."""

_PUBLISH_PAUSES = (0.1, 0.5, 1.0, 2.0, 5.0)

_ROUTING_HEADERS = frozenset({"CC", "BCC"})
"""The broker routes a copy to every key they name, on whatever exchange the message is published to."""


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
        notices: Notices,
        now: Callable[[], datetime],
        new_copy: Callable[[], str],
    ) -> None:
        self._publish = publish
        self._metrics = metrics
        self._notices = notices
        self._now = now
        self._new_copy = new_copy

    async def settle(self, incoming: Incoming, partition: str, finding: Finding, progress: Progress) -> bool:
        """Settles a delivery; ``False`` when it is no longer ours (it will come again) and nothing was acknowledged.

        ``progress`` is how far an earlier delivery of the same message came; it is added to.
        """
        for index, branch in enumerate(finding.verdict.branches):
            if index in progress.published:
                continue
            # The same identifier at every try, also after a redelivery: a lost confirm may hide a copy.
            name = progress.copies.setdefault(index, self._new_copy())
            copy = self._copy(incoming, partition, finding, branch, name)
            if not await self._republish(incoming, copy, finding.event):
                return False
            progress.published.add(index)
        if not incoming.ack():
            return False
        if not progress.counted:  # an ack that was lost on its way is written again, but nothing ends twice
            progress.counted = True
            self._account(incoming, partition, finding)
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
        attempt = replace(finding.attempt, copy=name, not_before=None, parked_at=None)
        if branch.owed is not None:
            attempt = replace(attempt, owed=branch.owed)
        headers: dict[str, object] = {names.H_REASON: str(branch.reason)}
        if branch.detail:
            headers[names.H_DETAIL] = branch.detail
        if branch.path:
            headers[names.H_FIELD] = branch.path
        if finding.verdict.transport:
            headers[names.H_TRANSPORT] = finding.verdict.transport
        match branch.decision:
            case Retry(after=after, counted=counted):
                attempt = replace(
                    attempt,
                    number=attempt.number + counted,
                    unknown=attempt.unknown + branch.unknown,
                    not_before=now + timedelta(seconds=after),
                )
                exchange, key = names.LATER, str(tier(after, names.WAIT_TIERS))
            case Park():
                attempt = replace(attempt, parked_at=now)
                exchange, key = names.PARKED, partition
            case Dead():
                attempt = replace(attempt, number=attempt.number + 1, unknown=attempt.unknown + branch.unknown)
                headers[names.H_DEAD_AT] = stamp(now)
                exchange, key = names.DEAD, names.DEAD_KEY
            case Reroute(partition=right):
                headers = {}
                partition = right
                exchange, key = names.SORT, incoming.routing_key
        ours = self._ours(partition, finding.event) | write(attempt) | headers
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
        kept = {
            name: value
            for name, value in names.without_broker_headers(incoming.properties.headers).items()
            if name not in _ROUTING_HEADERS and not name.startswith(names.PREFIX)
        }
        message_id = incoming.properties.message_id
        if event is not None:
            kept[names.H_ORGANIZATION] = event.organization_id
            message_id = event.id
        return replace(incoming.properties, message_id=message_id, headers=kept | ours)

    def _account(self, incoming: Incoming, partition: str, finding: Finding) -> None:
        """Counts and logs the end of this delivery: the ack is written, so nothing can change it any more."""
        event, verdict = finding.event, finding.verdict
        if verdict.accepted and event is not None:
            self._metrics.handed_off(verdict.transport, event.category)
            published = event.time or finding.attempt.first_seen
            self._metrics.total(verdict.transport, (self._now() - published).total_seconds())
            self._notices.ended("handed_off", event.id, event.organization_id, None)
        for branch in verdict.branches:
            outcome = outcome_of(branch)
            self._metrics.outcome(verdict.transport, outcome, str(branch.reason))
            if isinstance(branch.decision, Dead):
                self._metrics.dead_letter(str(branch.reason))
                if event is not None:
                    what = "expired" if outcome == "expired" else "dead"
                    self._notices.ended(what, event.id, event.organization_id, str(branch.reason))
        self._log(incoming, partition, finding)

    def _log(self, incoming: Incoming, partition: str, finding: Finding) -> None:
        event, verdict = finding.event, finding.verdict
        fields: dict[str, object] = {
            "event_id": event.id if event is not None else incoming.properties.message_id,
            "organization": event.organization_id if event is not None else None,
            "category": event.category if event is not None else None,
            "transport": verdict.transport,
            "attempt": finding.attempt.number + 1,
            "partition": partition,
        }
        if verdict.accepted:
            log.info("handed off", **_given(fields))
        for branch in verdict.branches:
            if branch.reason in _ROUTINE:
                continue
            delay = round(branch.decision.after, 1) if isinstance(branch.decision, Retry) else None
            level = log.warning if isinstance(branch.decision, Dead | Park) else log.info
            why: dict[str, object] = {
                "reason": str(branch.reason),
                "detail": branch.detail,
                "field": branch.path,
                "delay": delay,
            }
            level(outcome_of(branch), **_given(why | fields))


def _given(fields: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value not in (None, "")}


def outcome_of(branch: Branch) -> str:
    """The metric label of what became of a branch."""
    match branch.decision:
        case Dead():
            return "expired" if branch.reason is Reason.EXPIRED else "dead"
        case Park():
            return "parked"
        case Retry(counted=counted) if not branch.unknown:
            return "retry" if counted else "aside"
        case Retry():
            return "unknown"
        case _:
            return "aside"
