"""Metrics of what holds mails back and of the ledger: beside :mod:`consumer.metrics`, in its registry.

Labels are bounded: an organisation is named only while its breaker is open, and at most 50 are.
"""

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

NAMED: Final = 50
"""Organisations that have a time series of their own; all others are counted together."""

OTHER: Final = "other"
"""The label of those; an organisation of this name is counted among them."""

_COMMIT_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15)
_BATCH: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Probe(StrEnum):
    """How the one mail ended that was let through an open breaker."""

    ANSWERED = "answered"
    FAILED = "failed"
    UNCLEAR = "unclear"
    """It says nothing about what the breaker guards."""

    GIVEN_UP = "given_up"
    """It was not sent after all."""


class PacingMetrics:
    """Registers its metrics in ``registry``, hence once for each. No method raises or blocks."""

    def __init__(self, registry: CollectorRegistry) -> None:
        own: dict[str, Any] = {"registry": registry}
        self._breakers = Gauge(
            "mailroom_breaker_open",
            "Organisations whose mail waits because their account or server gives no answer; the rest as other",
            ["organization"],
            **own,
        )
        self._holds = Gauge(
            "mailroom_platform_hold",
            "1 while a fault of the platform's own holds all mail of a scope",
            ["scope", "reason"],
            **own,
        )
        self._probes = Counter(
            "mailroom_probes", "Mails that were let through an open breaker, by their end", ["scope", "result"], **own
        )
        self._lanes = Gauge("mailroom_lanes", "Accounts whose pacing is in memory", **own)
        self._waiting = Gauge("mailroom_waiting", "Mails in hand that wait for their turn", **own)
        self._crowded = Gauge(
            "mailroom_crowded_partitions", "Partitions whose queue is longer than what is sent in seconds", **own
        )
        self._commit = Histogram(
            "mailroom_ledger_commit_seconds",
            "Time of one transaction of the ledger, until it is durable",
            buckets=_COMMIT_SECONDS,
            **own,
        )
        self._batch = Histogram(
            "mailroom_ledger_batch", "Requests answered by one transaction of the ledger", buckets=_BATCH, **own
        )
        self._pending = Gauge("mailroom_ledger_pending", "Requests that wait for the ledger's next transaction", **own)
        self._failures = Counter(
            "mailroom_ledger_failures", "Transactions of the ledger that failed; what asked waits", **own
        )

    def open_breakers(self, organizations: Collection[str]) -> None:
        """The organisations held by a breaker now; those that are gone disappear."""
        named = sorted(name for name in organizations if name != OTHER)[:NAMED]
        self._breakers.clear()
        for name in named:
            self._breakers.labels(name).set(1)
        if len(organizations) > len(named):
            self._breakers.labels(OTHER).set(len(organizations) - len(named))

    def platform_holds(self, holds: Mapping[str, str] | Iterable[tuple[str, str]]) -> None:
        """The holds of the platform now, each a scope with its reason code; those that are over disappear."""
        self._holds.clear()
        for scope, reason in dict(holds).items():
            self._holds.labels(scope, reason).set(1)

    def probed(self, scope: str, result: Probe) -> None:
        """One probe ended; ``scope`` is the kind of what it tried: ``account``, ``endpoint`` or ``platform``."""
        self._probes.labels(scope, result.value).inc()

    def lanes(self, count: int) -> None:
        """Accounts whose pacing is in memory."""
        self._lanes.set(count)

    def waiting(self, count: int) -> None:
        """Mails in hand that wait for their turn."""
        self._waiting.set(count)

    def crowded(self, partitions: int) -> None:
        """Partitions whose organisations may hold little in hand."""
        self._crowded.set(partitions)

    def ledger_committed(self, seconds: float, requests: int) -> None:
        """One transaction of the ledger is durable; it took ``seconds`` and answered ``requests``."""
        self._commit.observe(max(0.0, seconds))
        self._batch.observe(requests)

    def ledger_failed(self) -> None:
        """One transaction of the ledger failed, or its end is not known."""
        self._failures.inc()

    def ledger_pending(self, count: int) -> None:
        """Requests that wait for the next transaction."""
        self._pending.set(count)
