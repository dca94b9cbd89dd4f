"""One scene while it is played: its surroundings, what is published, and what was done to it when."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pika

from consumer import names
from consumer.partition import partition_of
from deploy.local.broker_for_use import LocalBroker
from deploy.local.cluster import PrivateCluster
from deploy.local.postgres import PrivatePostgres
from tests.chaos.fleet import Fleet, waiting
from tests.chaos.mix import Mix
from tests.chaos.scenes import Scene
from tests.chaos.servers import Manners
from tests.chaos.surroundings import BROKER_AWAY, Accounts, Brokers, Wires, accounts, brokers, configure, database
from tests.chaos.wires import Wired
from tests.fakes.sink import Sink
from tests.running import clock, environment
from tests.running_broker import DEFAULT_PARTITIONS, channel, publish, ready, wait_queues, work_queues
from tests.waiting import eventually_blocking

DEADLINE = 5.0
CONNECTIONS = 8
SETTINGS: dict[str, object] = {
    "send_deadline": DEADLINE,
    "unknown_pause": 1,
    "retry_schedule": "1",
    "drain_seconds": 15,
    "default_smtp_connections": CONNECTIONS,
}
_BACKLOG = 1500
_FLOWING_AGAIN = 120.0
_PATIENCE = 300.0
"""Seconds for what is left at the end of a scene; breakers open for a minute, and twice."""


@dataclass(frozen=True, slots=True)
class Spell:
    """Between these moments something was wrong on purpose, so that answers may have been lost."""

    what: str
    began: float
    ended: float


@dataclass(slots=True)
class Stage:
    """See the module. ``done`` are the faults that took place, with what is to be said about each."""

    scene: Scene
    folder: Path
    brokers: Brokers
    sink: Sink
    manners: Manners
    accounts: Accounts
    wires: Wires
    postgres: PrivatePostgres | None
    mix: Mix
    say: Callable[[str], None]
    fleet: Fleet = field(init=False)
    spells: list[Spell] = field(default_factory=list)
    shifts: dict[str, float] = field(default_factory=dict)
    published: int = 0

    def publish(self, count: int, organization: str = "") -> None:
        """Publishes so many more events of the mixture, once there is room for them."""
        self.until(lambda: self._backlog() < _BACKLOG, 120, what="room for more events")
        events = list(self.mix.next(count, organization))
        bad = [event for event in events if event["data"]["to"][0]["address"].startswith("bad")]
        self.published += publish(self.brokers.url, (event for event in events if event not in bad))
        with channel(self.brokers.url) as opened:
            for event in bad:
                self._publish_raw(opened, event)

    def publish_and_flow(self, count: int) -> None:
        """Publishes, and waits until mails are leaving: what is to disturb them would find nothing else."""
        before = self.taken()
        self.publish(count)
        self.until(lambda: self.taken() > before, _FLOWING_AGAIN, what="mails are leaving")

    def _publish_raw(self, opened: Any, event: dict[str, Any]) -> None:

        properties = pika.BasicProperties(
            content_type=names.CONTENT_TYPE,
            delivery_mode=2,
            message_id=event["id"],
            headers={
                names.H_ORGANIZATION: event["organizationid"],
                names.H_PARTITION: partition_of(event["organizationid"], DEFAULT_PARTITIONS),
            },
        )
        opened.basic_publish(names.NOTIFICATIONS, "test", json.dumps(event).encode(), properties, mandatory=True)
        self.published += 1

    def _backlog(self) -> int:
        with suppress(*BROKER_AWAY):
            return ready(self.brokers.url, work_queues())
        return _BACKLOG

    def until(self, condition: Callable[[], bool], timeout: float, *, what: str) -> None:
        """Waits, and looks after the replicas meanwhile. Raises AssertionError."""
        eventually_blocking(waiting(self.fleet, condition), timeout, what=what)

    def during(self, seconds: float) -> None:
        """Lets so much time pass."""
        end = clock() + seconds
        self.until(lambda: clock() >= end, seconds + 10, what="time passes")

    @contextmanager
    def spell(self, what: str) -> Iterator[None]:
        """Around something that is wrong for a while."""
        began = clock()
        try:
            yield
        finally:
            self.spells.append(Spell(what, began, clock()))

    def settle(self) -> None:
        """Waits until nothing is left to do, and ends the replicas; raises AssertionError when it takes too long.

        Only when nobody holds anything do the depths of the queues tell the truth, so it ends them to look.
        """
        end = clock() + _PATIENCE
        while True:
            self.until(self._looks_done, max(1.0, end - clock()), what="everything is settled")
            self.fleet.stop()
            if self.left() == 0:
                return
            assert clock() < end, f"{self.left()} events are left in the queues"
            self.fleet.start()
            self.during(2.0)

    def left(self) -> int:
        """Events that are still to be done, and that nobody holds."""
        return ready(self.brokers.url, [*work_queues(), *wait_queues()])

    def _looks_done(self) -> bool:
        try:
            if self.left() > 0:
                return False
            ended = ready(
                self.brokers.url, [names.DEAD, *map(names.parked_queue, names.partitions(DEFAULT_PARTITIONS))]
            )
        except BROKER_AWAY:
            return False
        return self.taken() + ended >= len(self.mix.units) * 0.999 and self.left() == 0

    def taken(self) -> int:
        """Recipients that got a mail."""
        others = (self.accounts.own.handed, self.accounts.graph_took.handed, self.accounts.gmail_took.handed)
        return self.sink.distinct() + sum(len({handed.address for handed in list(one)}) for one in others)


@contextmanager
def staged(
    scene: Scene,
    given: LocalBroker | PrivateCluster,
    postgres: PrivatePostgres | None,
    folder: Path,
    seed: int,
    say: Callable[[str], None],
) -> Iterator[Stage]:
    """The surroundings of a scene, everything running but the replicas."""
    with ExitStack() as stack:
        enter = stack.enter_context
        found = enter(brokers(given))
        url = enter(database(folder, postgres if scene.database == "postgres" else None))
        theirs = enter(accounts(folder))
        fleet: list[Fleet] = []
        manners = Manners(seed, lambda: fleet[0].pids() if fleet else [])
        sink = enter(Sink(manners, mails_each=40))
        manners.sink = sink
        replicas = [f"replica-{number}" for number in range(1, scene.replicas + 1)]
        wires = Wires({})
        port = sink.port
        if scene.wired:
            wires = Wires(
                {name: enter(Wired.to(found.urls[0])) for name in replicas},
                enter(Wired("127.0.0.1", sink.port)),
                enter(Wired.to(url)),
            )
            assert wires.relay is not None
            port = wires.relay.port
        settings = {**SETTINGS, "database_url": url, **theirs.variables}
        variables = environment(",".join(found.urls), folder, smtp_port=port, **settings)
        configure(variables, theirs)
        if wires.database is not None:
            variables["MAILROOM_DATABASE_URL"] = wires.database.through(url)
        each = {name: dict(variables) for name in replicas}
        for name, wire in wires.broker.items():
            each[name]["MAILROOM_AMQP_URL"] = wire.through(found.urls[0])
        stage = Stage(scene, folder, found, sink, manners, theirs, wires, postgres, Mix(seed), say)
        stage.fleet = enter(Fleet(each, folder))
        fleet.append(stage.fleet)
        yield stage


def wall(moment: float) -> float:
    """A moment of the monotonic clock in seconds since 1970."""
    return moment + time.time() - time.monotonic()
