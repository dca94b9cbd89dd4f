"""One run of the flood: a quiet time, then the flood, and what everybody's mails took meanwhile."""

import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from consumer import names
from consumer.partition import partition_of
from deploy.local.broker_for_use import LocalBroker
from tests.bench.steady import FLOODER, Crowd, Published, Steady, percentile
from tests.bench.surroundings import Arrivals, Flood, Place, Spent, place, replicas
from tests.running import ConsumerProcess
from tests.running_broker import DEFAULT_PARTITIONS, depths, ready, wait_queues, work_queues
from tests.waiting import eventually_blocking

PATIENCE: Final = 20.0
"""Seconds after the end in which mails that were published before it may still come."""
LOOK: Final = 0.5
STRETCH: Final = 5.0
"""Seconds."""

NO_LIMITS: Final[Mapping[str, int]] = {}
VARIANTS: Final[Mapping[str, tuple[str, Mapping[str, int] | None]]] = {
    "relay": ("quick", None),
    "own": ("quick", NO_LIMITS),
    "slow": ("slow", NO_LIMITS),
    "refuses": ("refuses", NO_LIMITS),
    "black-hole": ("black-hole", NO_LIMITS),
    "paced": ("quick", {"per_minute": 30}),
    "throttles": ("throttles", NO_LIMITS),
}
"""How the flooding organisation's own server behaves and which limits it is given; ``None``: it has no server."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What is published by whom: see the options."""

    events: int
    size: int
    seconds: float
    quiet: float
    organizations: int
    neighbours: int
    rate: float
    replicas: int


@dataclass(frozen=True, slots=True)
class Group:
    """Seconds from publishing to hand-off. ``missing`` had not come when the run ended, and count as so long."""

    mails: int
    p50: float
    p99: float
    worst: float
    missing: int

    @classmethod
    def of(cls, published: Iterable[tuple[int, Published]], came: Mapping[int, float], end: float) -> Self:
        """Of those events; ``end`` is when nobody looked any more."""
        took, missing = [], 0
        for number, event in published:
            missing += number not in came
            took.append(came.get(number, end) - event.at)
        return cls(len(took), percentile(took, 0.5), percentile(took, 0.99), max(took, default=0.0), missing)


@dataclass(frozen=True, slots=True)
class Measured:
    """One run. ``handed_off`` are mails of the flood in ``took`` seconds, ``total`` the mails a second of everybody.

    ``left`` is what lies in the queues at the end, ``aside`` how often events went aside, by reason, ``longest`` the
    longest that the flooding organisation's work queue was seen, ``pace`` its mails in each :data:`STRETCH` of the
    flood, ``connections`` those to its own server, ``most`` the
    most of its mails in any minute, ``cpu`` the replicas' processor time in percent of a core during the flood.
    """

    variant: str
    lanes: bool
    quiet: Mapping[str, Group]
    flood: Mapping[str, Group]
    publishing: float
    handed_off: int
    took: float
    total: float
    again: int
    connections: int
    most: int
    left: Mapping[str, int]
    aside: Mapping[str, int]
    longest: int
    pace: Sequence[int]
    cpu: float
    rss: float
    failures: Sequence[str]

    def __str__(self) -> str:
        said = [
            f"{who} p99 {1000 * self.quiet[who].p99:,.0f} → {1000 * self.flood[who].p99:,.0f} ms" for who in self.quiet
        ]
        return ", ".join([*said, f"{self.total:,.0f} mails/s"])

    def ratio(self, who: str) -> float:
        """The p99 during the flood by that before it."""
        return self.flood[who].p99 / self.quiet[who].p99


def measure(broker: LocalBroker, shape: Shape, variant: str, *, lanes: bool) -> Measured:
    """Runs it once."""
    behaviour, own = VARIANTS[variant]
    crowd = Crowd.of(shape.organizations, shape.neighbours)
    with (
        place(broker, behaviour=behaviour, own=own) as where,
        Flood(where, shape.events, shape.size) as flood,
        replicas(where, shape.replicas, *(() if lanes else ("without-lanes",))) as fleet,
        Steady(where.url, crowd, shape.rate) as steady,
    ):
        warm(steady, where.arrivals)
        quiet_from = time.monotonic()
        time.sleep(shape.quiet)
        used = Spent.of(fleet)
        flood.begin()
        flood_from = time.monotonic()
        longest = _until_all(where, shape, flood_from)
        spent = Spent.of(fleet)
        flood_to = time.monotonic()
        began, ended = flood.published(shape.seconds + 60)
        steady.stop()
        rest(steady, where.arrivals)
        end = time.monotonic()
        return Measured(
            variant,
            lanes,
            groups(steady, where.arrivals, quiet_from, flood_from, end),
            groups(steady, where.arrivals, flood_from, flood_to, end),
            publishing=ended - began,
            **_of_flood(where, flood_from, flood_to),
            aside=_aside(fleet),
            longest=longest,
            left=depths(where.url, [*work_queues(), *wait_queues(), names.DEAD]),
            cpu=used.share(spent),
            rss=spent.rss,
            failures=steady.failures,
        )


def warm(steady: Steady, arrivals: Arrivals) -> None:
    """Connections are made and caches filled by the first mails; what they took is nobody's."""

    def enough() -> bool:
        arrivals.look()
        return len(arrivals.first[b"s"]) >= 60

    eventually_blocking(enough, 60, what="the first mails have come")


def _until_all(where: Place, shape: Shape, began: float) -> int:
    """Until the whole flood has been handed off, or its time is over; the longest work queue seen meanwhile."""
    home, longest = [names.work_queue(partition_of(FLOODER, DEFAULT_PARTITIONS))], 0
    while time.monotonic() - began < shape.seconds:
        time.sleep(LOOK)
        where.arrivals.look()
        longest = max(longest, ready(where.url, home))
        if len(where.arrivals.first[b"a"]) >= shape.events:
            break
    return longest


def _aside(fleet: Sequence[ConsumerProcess]) -> dict[str, int]:
    """How often events went aside, by reason."""
    found: Counter[str] = Counter()
    for one in fleet:
        for (name, labels), value in one.metrics().items():
            of = dict(labels)
            if name == "mailroom_outcomes" and of["outcome"] == "aside":
                found[of["reason"]] += int(value)
    return dict(found)


def rest(steady: Steady, arrivals: Arrivals) -> None:
    """Waits for what was published and has not come, for a while."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        arrivals.look()
        if len(arrivals.first[b"s"]) >= len(steady.published):
            return
        time.sleep(LOOK)


def groups(steady: Steady, arrivals: Arrivals, since: float, until: float, end: float) -> dict[str, Group]:
    """What those events took that were published between two moments; ``end`` is when nobody looked any more."""
    came = arrivals.first[b"s"]
    chosen = [(number, one) for number, one in sorted(steady.published.items()) if since <= one.at < until]
    return {
        "others": Group.of([pair for pair in chosen if not pair[1].neighbour], came, end),
        "neighbours": Group.of([pair for pair in chosen if pair[1].neighbour], came, end),
    }


def _of_flood(where: Place, since: float, until: float) -> dict[str, Any]:
    arrivals = where.arrivals
    mine = sorted(at for at in arrivals.first[b"a"].values() if at < until)
    all_of_it = [at for came in arrivals.first.values() for at in came.values() if since <= at < until]
    last = max(all_of_it, default=until)
    return {
        "handed_off": len(mine),
        "took": (mine[-1] if mine else until) - since,
        "total": len(all_of_it) / max(0.001, last - since),
        "again": arrivals.again.total(),
        "pace": _pace(mine, since, until),
        "connections": len(arrivals.connections),
        "most": most_in_a_minute(mine),
    }


def _pace(times: Sequence[float], since: float, until: float) -> list[int]:
    found = Counter(int((at - since) // STRETCH) for at in times)
    return [found[number] for number in range(math.ceil((until - since) / STRETCH))]


def most_in_a_minute(times: Sequence[float]) -> int:
    """The most of these (ascending) moments within 60 seconds."""
    most = first = 0
    for place_, at in enumerate(times):
        while times[first] <= at - 60:
            first += 1
        most = max(most, place_ - first + 1)
    return most
