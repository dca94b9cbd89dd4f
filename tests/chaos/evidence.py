"""What is left when a scene is over, gathered from outside: queues, servers' books, traces, logs and metrics."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from consumer import names
from consumer.steps import Step
from tests.chaos.fleet import METRICS, Ended
from tests.chaos.mix import Unit
from tests.chaos.servers import Handed
from tests.chaos.stage import Spell
from tests.running_broker import channel


@dataclass(frozen=True, slots=True)
class Letter:
    """What a queue holds for one recipient: a dead letter or a parked event."""

    address: str
    event: str
    reason: str
    unknown: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery of an event in one process: when it came, when the mail began to leave, and how far it got.

    ``steps`` are the last times of each step; ``killed``: the process was, before it was through with it.
    """

    event: str
    pid: int
    steps: Mapping[str, float]
    killed: bool

    @property
    def began(self) -> float:
        """When it was first heard of."""
        return min(self.steps.values())


@dataclass(frozen=True, slots=True)
class Unknown:
    """An outcome that a replica counted as unknown; ``at`` in seconds since 1970."""

    event: str
    at: float


@dataclass(slots=True)
class Evidence:
    """Everything the verdict is found from."""

    units: Mapping[str, Unit]
    handed: list[Handed]
    dead: list[Letter]
    parked: list[Letter]
    deliveries: Mapping[str, list[Delivery]]
    unknowns: list[Unknown]
    metrics: Mapping[tuple[str, str], float]
    spells: list[Spell] = field(default_factory=list)
    doubtful: Counter[str] = field(default_factory=Counter)
    asks: Counter[str] = field(default_factory=Counter)


def letters(url: str, queues: Iterable[str]) -> Iterator[Letter]:
    """Takes everything out of these queues, one for each recipient that a message is for."""
    with channel(url) as opened:
        for queue in queues:
            count = opened.queue_declare(queue, passive=True).method.message_count
            if not count:
                continue
            # Not basic.get: queues with a single active consumer have none.
            for method, properties, body in opened.consume(queue, auto_ack=True, inactivity_timeout=10):
                if method is None:
                    break
                yield from _read(properties.headers or {}, body)
                count -= 1
                if not count:
                    break
            opened.cancel()


def _read(headers: Mapping[str, Any], body: bytes) -> Iterator[Letter]:
    event = json.loads(body)
    addresses = [one["address"] for one in event["data"]["to"]]
    owed = headers.get(names.H_OWED)
    positions = range(len(addresses)) if owed is None else map(int, owed.split(","))
    for position in positions:
        yield Letter(
            addresses[position],
            event["id"],
            str(headers.get(names.H_REASON, "")),
            int(headers.get(names.H_UNKNOWN, 0)),
            int(headers.get(names.H_ATTEMPT, 0)),
        )


def traced(folder: Path, ended: Iterable[Ended]) -> dict[str, list[Delivery]]:
    """By event, its deliveries in all processes, as their traces tell."""
    killed = {one.pid for one in ended if one.code < 0}
    found: defaultdict[str, list[Delivery]] = defaultdict(list)
    for path in folder.glob("*.trace"):
        pid = int(path.stem)
        running: dict[str, dict[str, float]] = {}
        for line in path.read_text().splitlines():
            at, step, event = line.split(" ", 2)
            steps = running.get(event)
            if steps is not None and step == Step.RECEIVED:
                # It came anew, on another channel or as another copy: what was before is over.
                found[event].append(Delivery(event, pid, steps, killed=False))
                steps = None
            if steps is None:
                steps = running[event] = {}
            steps[step] = float(at)
            if step == Step.ACKNOWLEDGING and pid not in killed:
                found[event].append(Delivery(event, pid, running.pop(event), killed=False))
        # A process that was killed at the very end of a delivery has it in this list too.
        for event, steps in running.items():
            found[event].append(Delivery(event, pid, steps, killed=pid in killed))
    return found


def said(lines: Iterable[Mapping[str, Any]]) -> list[Unknown]:
    """What the replicas logged of outcomes that stayed unknown."""
    return [
        Unknown(str(line["event_id"]), datetime.fromisoformat(line["timestamp"]).timestamp())
        for line in lines
        if line.get("reason") == "outcome_unknown" and line.get("event") in ("unknown", "dead")
    ]


def counted(folder: Path) -> dict[tuple[str, str], float]:
    """The sums of ``mailroom_outcomes`` over all lives of all replicas, by outcome and reason."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder / METRICS))
    sums: defaultdict[tuple[str, str], float] = defaultdict(float)
    for family in registry.collect():
        if family.name == "mailroom_outcomes":
            for sample in family.samples:
                sums[sample.labels["outcome"], sample.labels["reason"]] += sample.value
    return dict(sums)
