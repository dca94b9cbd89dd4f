"""Many organisations that publish a little all the time, and what a flooding one publishes at once."""

import math
import random
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from consumer.partition import partition_of
from consumer.publisher import Publisher
from tests.running_broker import DEFAULT_PARTITIONS, an_event

FLOODER: Final = "flooder"
_THREADS: Final = 8
_LETTER: Final = "s"


@dataclass(frozen=True, slots=True)
class Crowd:
    """Organisations beside the flooding one: in its partition, and in others."""

    neighbours: tuple[str, ...]
    others: tuple[str, ...]

    @classmethod
    def of(cls, count: int, neighbours: int) -> Self:
        """``count`` of them, ``neighbours`` of which share the flooder's partition."""
        home = partition_of(FLOODER, DEFAULT_PARTITIONS)
        found: tuple[list[str], list[str]] = ([], [])
        number = 0
        while len(found[0]) < neighbours or len(found[1]) < count - neighbours:
            name = f"steady-{number}"
            side = partition_of(name, DEFAULT_PARTITIONS) != home
            if len(found[side]) < (count - neighbours if side else neighbours):
                found[side].append(name)
            number += 1
        return cls(tuple(found[0]), tuple(found[1]))


@dataclass(slots=True)
class Published:
    """One event: whether a neighbour published it, and when the call began (monotonic seconds)."""

    neighbour: bool
    at: float


class Steady:
    """Publishes ``rate`` events a second in all, at random moments, through our publisher; a context manager.

    Each call has a thread to itself, so one that has to wait for the broker holds up no other. The recipients are
    ``s<number>``, and ``published`` has the events by number.
    """

    def __init__(self, amqp_url: str, crowd: Crowd, rate: float, seed: int = 7) -> None:
        self._publisher = Publisher(amqp_url, timeout=60)
        self._crowd = crowd
        self._chance = random.Random(seed)
        self._rate = rate
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="steady")
        self._thread = threading.Thread(target=self._run, name="steady", daemon=True)
        self.published: dict[int, Published] = {}
        self.failures: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Publishes nothing more; returns when all that was begun is confirmed. Idempotent."""
        self._stop.set()
        self._thread.join()
        self._pool.shutdown()
        self._publisher.close()

    def _run(self) -> None:
        everybody = [
            *((name, True) for name in self._crowd.neighbours),
            *((name, False) for name in self._crowd.others),
        ]
        number, due = 0, time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            if number % len(everybody) == 0:
                self._chance.shuffle(everybody)
            organization, neighbour = everybody[number % len(everybody)]
            self._pool.submit(self._publish, number, organization, neighbour)
            number += 1
            due += self._chance.expovariate(self._rate)

    def _publish(self, number: int, organization: str, neighbour: bool) -> None:
        event = an_event(number, organization, recipient=f"{_LETTER}{number}@example.org", id=f"steady-{number}")
        self.published[number] = Published(neighbour, time.monotonic())
        try:
            self._publisher.publish(event)
        except Exception as error:  # noqa: BLE001 - a thread of a pool: told at the end of the run
            self.failures.append(repr(error))


def percentile(seconds: Sequence[float], share: float) -> float:
    """By nearest rank; not a number when there are none."""
    ordered = sorted(seconds)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def main() -> None:
    """Publishes a flood: ``python -m tests.bench.steady URL COUNT SIZE ORGANIZATION``.

    Says ``ready`` when everything is prepared, waits for a line, publishes at once, and prints when it began and ended.
    """
    url, count, size, organization = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    events = [
        an_event(number, organization, recipient=f"a{number}@example.org", size=size, id=f"flood-{number}")
        for number in range(count)
    ]
    with Publisher(url, timeout=120) as publisher:
        print("ready", flush=True)
        sys.stdin.readline()
        began = time.monotonic()
        for published in publisher.publish_many(events, window=1000):
            assert published.problem is None, published.problem
    print(began, time.monotonic(), flush=True)


if __name__ == "__main__":
    main()
