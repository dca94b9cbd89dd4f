"""Delivery metrics for Prometheus: one place that knows names, labels and buckets.

Labels are bounded: category, outcome and reason come from closed sets, an organisation appears nowhere here.
"""

from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from transports.smtp.observer import ConnectionState

_SECONDS_TO_DAYS = (
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
    30,
    60,
    300,
    900,
    3600,
    6 * 3600,
    24 * 3600,
    72 * 3600,
)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The metrics of one consumer process, in a registry of their own. Label sets are bound once and kept."""

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        own: dict[str, Any] = {"registry": self.registry}
        self._received = Counter("mailroom_events_received", "Events received for the first time", ["category"], **own)
        self._handoffs = Counter(
            "mailroom_handoffs",
            "Mails a provider accepted, for at least one recipient",
            ["transport", "category"],
            **own,
        )
        self._outcomes = Counter("mailroom_outcomes", "Ends of deliveries", ["transport", "outcome", "reason"], **own)
        self._stages = Histogram(
            "mailroom_stage_seconds",
            "Time an event spent: queued (published to received), waited (received to send), sent (the send), total",
            ["stage", "transport"],
            buckets=_SECONDS_TO_DAYS,
            **own,
        )
        self._in_flight = Gauge("mailroom_in_flight", "Mails being sent now", ["transport"], **own)
        self._dead = Counter("mailroom_dead_letters", "Dead letters written", ["reason"], **own)
        self._publish_failures = Counter(
            "mailroom_publish_failures", "Outcomes that could not be published at the first try", ["reason"], **own
        )
        self._dead_depth = Gauge("mailroom_dead_letter_depth", "Messages in the dead-letter queue", **own)
        self._parked = Gauge(
            "mailroom_parked_organizations", "Organisations whose transport is suspended", ["reason"], **own
        )
        self._platform = Gauge(
            "mailroom_platform_problem",
            "1 while mails wait for the operator: the platform's own credentials, settings or egress fail",
            ["transport", "reason"],
            **own,
        )
        self._connections = Gauge("mailroom_smtp_connections", "SMTP connections", ["state"], **own)
        self._connected = Gauge("mailroom_broker_connected", "1 while both broker connections are open", **own)
        self._blocked = Gauge("mailroom_broker_blocked", "1 while the broker blocks publishing", **own)
        self._active = Gauge(
            "mailroom_active_partitions", "Partitions this replica was seen to be the active consumer of", **own
        )
        self._subscribed = Gauge(
            "mailroom_subscribed_partitions", "Partitions this replica consumes or stands by for", **own
        )
        self._store_up = Gauge("mailroom_store_available", "1 while the database answers", **own)
        self._refreshes = Counter(
            "mailroom_token_refreshes",
            "Requests for OAuth access tokens by their end: ok, or a reason code",
            ["provider", "result"],
            **own,
        )
        self._ended = Counter(
            "mailroom_grants_ended", "Unused grants that were taken back at their provider, or forgotten", **own
        )
        Info("mailroom_build", "Version of this process", **own).info({"version": version})
        self._bound: dict[tuple[str, ...], Counter] = {}
        self._bound_stages: dict[tuple[str, str], Histogram] = {}
        self._bound_in_flight: dict[str, Gauge] = {}
        self._refresh: list[Callable[[], None]] = []

    def _counter(self, parent: Counter, name: str, *labels: str) -> Counter:
        key = (name, *labels)
        child = self._bound.get(key)
        if child is None:
            child = self._bound[key] = parent.labels(*labels)
        return child

    def _stage(self, stage: str, transport: str, seconds: float) -> None:
        child = self._bound_stages.get((stage, transport))
        if child is None:
            child = self._bound_stages[stage, transport] = self._stages.labels(stage, transport)
        child.observe(max(0.0, seconds))

    def received(self, category: str) -> None:
        """One event was received for the first time."""
        self._counter(self._received, "received", category).inc()

    def handed_off(self, transport: str, category: str) -> None:
        """One mail was accepted by a provider, for at least one recipient."""
        self._counter(self._handoffs, "handoff", transport, category).inc()
        self.outcome(transport, "handed_off", "")

    def outcome(self, transport: str, outcome: str, reason: str) -> None:
        """One delivery, or a branch of it, ended."""
        self._counter(self._outcomes, "outcome", transport, outcome, reason).inc()

    def dead_letter(self, reason: str) -> None:
        """One dead letter was written."""
        self._counter(self._dead, "dead", reason).inc()

    def queued(self, seconds: float) -> None:
        """Time from publishing to the first receipt."""
        self._stage("queued", "", seconds)

    def waited(self, transport: str, seconds: float) -> None:
        """Time from the receipt to the start of the send."""
        self._stage("waited", transport, seconds)

    def sent(self, transport: str, seconds: float) -> None:
        """Time the send took, whatever its end."""
        self._stage("sent", transport, seconds)

    def total(self, transport: str, seconds: float) -> None:
        """Time from publishing to the hand-off."""
        self._stage("total", transport, seconds)

    def sending(self, transport: str, change: int) -> None:
        """A send started (+1) or ended (-1)."""
        child = self._bound_in_flight.get(transport)
        if child is None:
            child = self._bound_in_flight[transport] = self._in_flight.labels(transport)
        child.inc(change)

    def publish_failed(self, reason: str) -> None:
        """An outcome could not be published; it is tried again."""
        self._counter(self._publish_failures, "publish", reason).inc()

    def token_refreshed(self, provider: str, result: str) -> None:
        """One request for an access token ended: ``ok``, or a reason code."""
        self._counter(self._refreshes, "refresh", provider, result).inc()

    def grants_ended(self, count: int) -> None:
        """So many grants were taken back at their provider, or forgotten."""
        self._ended.inc(count)

    def dead_letter_depth(self, count: int) -> None:
        """Messages in the dead-letter queue, as last seen."""
        self._dead_depth.set(count)

    def parked_organizations(self, by_reason: dict[str, int]) -> None:
        """Suspended organisations by reason; reasons that are gone disappear."""
        self._parked.clear()
        for reason, count in by_reason.items():
            self._parked.labels(reason).set(count)

    def platform_problem(self, transport: str, reason: str, *, there: bool) -> None:
        """Whether a fault of ours keeps mails of a transport waiting; over ones disappear."""
        if there:
            self._platform.labels(transport, reason).set(1)
        else:
            self._platform.remove(transport, reason)

    def smtp_connections(self, state: str, change: int) -> None:
        """SMTP connections by state (``idle``, ``busy``)."""
        self._connections.labels(state).inc(change)

    def broker(self, *, connected: bool, blocked: bool, subscribed: int, active: int) -> None:
        """The state of the broker side."""
        self._connected.set(connected)
        self._blocked.set(blocked)
        self._subscribed.set(subscribed)
        self._active.set(active)

    def store(self, *, available: bool) -> None:
        """Whether the database answered when it was last asked."""
        self._store_up.set(available)

    def oldest(self, age: Callable[[], float]) -> None:
        """Registers the age, in seconds, of the oldest event this replica holds; asked at every scrape."""
        self.registry.register(_Oldest(age))

    def before_scrape(self, refresh: Callable[[], None]) -> None:
        """Has ``refresh`` called before every scrape, for gauges that are cheap to read and pointless to push."""
        self._refresh.append(refresh)

    def exposition(self) -> bytes:
        """The metrics in Prometheus' text format."""
        for refresh in self._refresh:
            refresh()
        return generate_latest(self.registry)


class SmtpConnections:
    """The observer of all connection pools (:class:`transports.smtp.observer.ConnectionObserver`)."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def changed(self, state: ConnectionState, delta: int) -> None:
        """Connections of a pool changed their state."""
        self._metrics.smtp_connections(state.value, delta)

    def opened(self) -> None:
        """Counted by state only."""

    def closed(self) -> None:
        """Counted by state only."""


class _Oldest(Collector):
    def __init__(self, age: Callable[[], float]) -> None:
        self._age = age

    def collect(self) -> Iterable[GaugeMetricFamily]:
        yield GaugeMetricFamily("mailroom_oldest_event_seconds", "Age of the oldest event in hand", value=self._age())
