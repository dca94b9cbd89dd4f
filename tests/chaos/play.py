"""Playing one scene: the faults one after the other, the end, the evidence, the verdict."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from consumer import names
from consumer.publisher_errors import PublishError
from deploy.local.broker_for_use import LocalBroker
from deploy.local.cluster import PrivateCluster
from deploy.local.postgres import PostgresFailed, PrivatePostgres
from deploy.local.rabbitmqctl import NodeFailed
from tests.chaos.evidence import Evidence, counted, letters, said, traced
from tests.chaos.faults import NotDone, do
from tests.chaos.scenes import Scene
from tests.chaos.schedule import Fault, schedule
from tests.chaos.servers import relayed
from tests.chaos.stage import Stage, staged, wall
from tests.chaos.surroundings import BROKER_AWAY
from tests.chaos.verdict import Verdict, judge
from tests.running_broker import DEFAULT_PARTITIONS

Say = Callable[[str], None]

_SERVERS_FAIL = (*BROKER_AWAY, NodeFailed, PostgresFailed, PublishError)
"""What the harness itself may meet when a server does not come back."""


@dataclass(slots=True)
class Played:
    """One scene: what was done, and what came of it. ``broken``: why it could not be played to its end."""

    scene: Scene
    events: int = 0
    done: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)
    seconds: float = 0.0
    broken: str = ""

    @property
    def fault(self) -> str:
        """What is wrong; empty when every promise was kept."""
        return f"broken off: {self.broken}" if self.broken else self.verdict.fault


def play(
    scene: Scene,
    given: LocalBroker | PrivateCluster,
    postgres: PrivatePostgres | None,
    folder: Path,
    *,
    seed: int,
    events: int,
    say: Say,
) -> Played:
    """Plays a scene on a broker that runs; ``events`` are this scene's."""
    found = Played(scene)
    began = time.monotonic()
    try:
        with staged(scene, given, postgres, folder, seed, say) as stage:
            _play(stage, schedule(scene.plans, seed, events), found)
    except (AssertionError, *_SERVERS_FAIL) as error:
        found.broken = f"{type(error).__name__}: {error}"
    found.seconds = time.monotonic() - began
    return found


def _play(stage: Stage, faults: tuple[Fault, ...], found: Played) -> None:
    stage.fleet.start()
    declared = time.monotonic()
    # A quorum queue that is younger than this loses what was confirmed when its node is killed.
    stage.until(lambda: time.monotonic() - declared > 1.0, 5, what="the queues are old enough")
    try:
        for fault in faults:
            try:
                note = do(stage, fault)
            except NotDone:
                found.missed.append(str(fault))
                note = "NOT REACHED"
            else:
                found.done[fault.kind] += 1
                if fault.kind == "killed":
                    found.struck[fault.step] += 1
            stage.say(f"{fault.number:3}/{len(faults)}  {fault}  {note}")
        stage.say("waiting for the end")
        stage.settle()
    finally:
        found.events = stage.mix.numbers
    evidence = gathered(stage)
    found.verdict = judge(evidence, wall(0.0))
    found.verdict.wrong += stage.fleet.strange


def gathered(stage: Stage) -> Evidence:
    """The evidence, once nobody works any more."""
    parked = [names.parked_queue(one) for one in names.partitions(DEFAULT_PARTITIONS)]
    theirs = stage.accounts
    return Evidence(
        units=stage.mix.units,
        handed=[*relayed(stage.sink), *theirs.own.handed, *theirs.graph_took.handed, *theirs.gmail_took.handed],
        dead=list(letters(stage.brokers.url, [names.DEAD])),
        parked=list(letters(stage.brokers.url, parked)),
        deliveries=traced(stage.folder, stage.fleet.ended),
        unknowns=said(stage.fleet.lines()),
        metrics=counted(stage.folder),
        spells=stage.spells,
        doubtful=stage.manners.doubtful,
        asks=stage.manners.asks,
    )
