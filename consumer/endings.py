"""What is told of the end of a delivery: metrics, notices to the platform, log lines. Nothing of a person."""

from collections.abc import Callable
from datetime import datetime

from config.logs import get_logger
from consumer.broker import Incoming
from consumer.metrics import Metrics
from consumer.notices import Notices
from consumer.outcome import Branch, Dead, Drop, Finding, Park, Progress, Reason, Retry

log = get_logger(__name__)

_ROUTINE = frozenset({Reason.NOT_YET, Reason.MISROUTED, Reason.RENEWED, Reason.PACED, Reason.CROWDED})
"""Hops that say nothing about an event; they are counted and not logged."""


class Endings:
    """Tells each end once. ``now`` is the wall clock."""

    def __init__(self, metrics: Metrics, notices: Notices, now: Callable[[], datetime]) -> None:
        self._metrics = metrics
        self._notices = notices
        self._now = now

    def handed_off(self, incoming: Incoming, partition: str, finding: Finding, progress: Progress) -> None:
        """Counts, tells and logs a hand-off: the ledger has it, so it is one whoever acknowledges the message."""
        event, verdict = finding.event, finding.verdict
        if progress.told or not verdict.accepted or event is None:
            return
        progress.told = True
        self._metrics.handed_off(verdict.transport, event.category)
        published = event.time or finding.attempt.first_seen
        self._metrics.total(verdict.transport, (self._now() - published).total_seconds())
        self._notices.ended("handed_off", event.id, event.organization_id, None)
        log.info("handed off", **_given(self._fields(incoming, partition, finding)))

    def branches(self, incoming: Incoming, partition: str, finding: Finding) -> None:
        """Counts and logs the branches of this delivery: the ack is written, so nothing can change them any more."""
        event, verdict = finding.event, finding.verdict
        for branch in verdict.branches:
            outcome = outcome_of(branch)
            self._metrics.outcome(verdict.transport, outcome, str(branch.reason))
            if isinstance(branch.decision, Dead):
                self._metrics.dead_letter(str(branch.reason))
                if event is not None:
                    what = "expired" if outcome == "expired" else "dead"
                    self._notices.ended(what, event.id, event.organization_id, str(branch.reason))
        self._log(incoming, partition, finding)

    @staticmethod
    def _fields(incoming: Incoming, partition: str, finding: Finding) -> dict[str, object]:
        event = finding.event
        return {
            "event_id": event.id if event is not None else incoming.properties.message_id,
            "organization": event.organization_id if event is not None else None,
            "category": event.category if event is not None else None,
            "transport": finding.verdict.transport,
            "attempt": finding.attempt.number + 1,
            "partition": partition,
        }

    def _log(self, incoming: Incoming, partition: str, finding: Finding) -> None:
        for branch in finding.verdict.branches:
            if branch.reason in _ROUTINE:
                continue
            fields = self._fields(incoming, partition, finding)
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
        case Drop():
            return "duplicate"
        case _:
            return "aside"
