"""What every scene of ``make chaos`` stands on: a node, a server that counts, a backlog, and the final account."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from consumer import names
from deploy.local.node import PrivateNode
from tests.accounting import Account, account, settled
from tests.fakes.sink import Sink
from tests.running import ConsumerProcess, environment
from tests.running_broker import an_event, publish, ready
from tests.waiting import eventually_blocking

CONNECTIONS = 8
PATIENCE = 900.0


@dataclass(slots=True)
class Stage:
    """One scene's surroundings: a node and a sink of its own, the seed, and where to say what goes on."""

    node: PrivateNode
    folder: Path
    seed: int
    events: int
    say: Callable[[str], None]
    chance: random.Random = field(init=False)
    sink: Sink = field(init=False)
    url: str = ""
    ends: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.sink = Sink()

    def consumer(self, name: str = "consumer", **settings: object) -> ConsumerProcess:
        """A consumer process, not started."""
        given = {"retry_schedule": "1", "unknown_pause": 1, "drain_seconds": 15}
        given |= {"default_smtp_connections": CONNECTIONS}
        variables = environment(self.url, self.folder, smtp_port=self.sink.port, **(given | settings))
        return ConsumerProcess(variables, self.folder, name=name)

    def backlog(self) -> list[str]:
        """Publishes the events, two kilobytes each; gives the recipients."""
        self.say(f"publishing {self.events:,} events")
        publish(self.url, (an_event(number, f"org-{number % 997}", size=2048) for number in range(self.events)))
        return [f"e{number}@example.org" for number in range(self.events)]

    def moments(self, count: int) -> list[int]:
        """``count`` random points of the drain, as numbers of mails, ascending."""
        return sorted(self.chance.randrange(self.events // 50, self.events * 9 // 10) for _ in range(count))

    def reached(self, mails: int) -> None:
        """Waits until so many mails were taken."""
        eventually_blocking(lambda: self.sink.distinct() >= mails, PATIENCE, what=f"{mails} mails are taken")

    def end(self, expected: list[str]) -> Account:
        """Waits until all is settled and accounts for it."""
        self.say("waiting for the end of the drain")
        eventually_blocking(lambda: settled(self.url, self.sink, expected), PATIENCE, what="everything is settled")
        assert ready(self.url, [names.DEAD]) == 0, "there are dead letters"
        return account(self.sink, expected)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a scene found; ``allowed`` is the bound of duplicates and ``fault`` says what was wrong, if anything."""

    scene: str
    damage: str
    account: Account
    allowed: int
    fault: str = ""
    note: str = ""


def judged(scene: str, damage: str, found: Account, allowed: int, *, explained: bool = True, note: str = "") -> Outcome:
    """The outcome with its fault, if there is one."""
    faults = []
    if found.lost:
        faults.append(f"{len(found.lost)} lost")
    if len(found.duplicates) > allowed:
        faults.append("too many duplicates")
    if not explained:
        faults.append("duplicates without a cause")
    if found.unlike:
        faults.append("duplicates with other content")
    return Outcome(scene, damage, found, allowed, ", ".join(faults), note)


@contextmanager
def staged(
    node: PrivateNode, folder: Path, name: str, seed: int, events: int, say: Callable[[str], None]
) -> Iterator[Stage]:
    """A stage with a virtual host of its own."""
    stage = Stage(node, folder, seed, events, say)
    with stage.sink:
        stage.url = node.add_vhost(f"chaos-{name}")
        yield stage
        node.delete_vhost(f"chaos-{name}")
