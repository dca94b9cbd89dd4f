"""Two scenes beside the account: mails that kill the process, and what a long run does to its memory."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil

from consumer import names
from deploy.local.node import PrivateNode
from tests.accounting import account, settled
from tests.fakes.sink import Sink
from tests.poisoning import PREFETCH, convict
from tests.running import ConsumerProcess, environment
from tests.running_broker import an_event, publish, ready
from tests.waiting import eventually_blocking

_PATIENCE = 900.0
_GROWTH = 15.0
"""MiB that a replica may have grown by in the second half of the run."""


@dataclass(frozen=True, slots=True)
class Lasted:
    """What came of it; ``fault`` is empty when it was as promised."""

    name: str
    said: str
    seconds: float
    fault: str


def poison(node: PrivateNode, folder: Path, seed: int, events: int, say: Callable[[str], None]) -> str:
    """Three mails that kill the process, sixty innocent ones around them."""
    with ExitStack() as stack:
        sink, consumer, url = _consumer(stack, node, folder, "poison", default_smtp_connections=4, prefetch=PREFETCH)
        found = convict(url, sink, consumer, poisonous=3, innocents=60)
    said = f"{found.deaths} deaths, dead letters: {', '.join(found.reasons)}"
    say(said)
    assert found.reasons == ["poison"] * 3, f"other dead letters than the poison: {said}"
    assert not found.wrongly, "an innocent is dead"
    assert not found.missing, f"no mail for {found.missing}"
    return said


def memory(node: PrivateNode, folder: Path, seed: int, events: int, say: Callable[[str], None]) -> str:
    """Twice the events, in waves: memory stays where it was after the first of them."""
    wave, sizes = max(1, events // 10), []
    with ExitStack() as stack:
        sink, consumer, url = _consumer(stack, node, folder, "memory")
        process = psutil.Process(consumer.start().pid)
        for number in range(20):
            first = number * wave
            publish(url, (an_event(n, f"org-{n % 997}", size=2048) for n in range(first, first + wave)))
            last = first + wave
            eventually_blocking(lambda last=last: sink.distinct() >= last, _PATIENCE)  # type: ignore[misc]
            sizes.append(process.memory_info().rss / 2**20)
            say(f"{last:,} mails, {sizes[-1]:.0f} MiB")
        expected = [f"e{number}@example.org" for number in range(20 * wave)]
        eventually_blocking(lambda: settled(url, sink, expected), _PATIENCE, what="everything is settled")
        assert ready(url, [names.DEAD]) == 0, "there are dead letters"
        found = account(sink, expected)
    assert not found.lost, f"{len(found.lost)} lost"
    assert not found.duplicates, f"{len(found.duplicates)} sent twice"
    grown = sizes[-1] - sizes[9]
    assert grown < _GROWTH, f"grew by {grown:.0f} MiB"
    return f"MiB after each twentieth of {20 * wave:,}: {' '.join(f'{size:.0f}' for size in sizes)}"


def _consumer(
    stack: ExitStack, node: PrivateNode, folder: Path, name: str, **settings: object
) -> tuple[Sink, ConsumerProcess, str]:
    sink = stack.enter_context(Sink())
    url = node.add_vhost(name)
    stack.callback(node.delete_vhost, name)
    given: dict[str, object] = {"retry_schedule": "1", "unknown_pause": 1, "send_deadline": 5, **settings}
    variables = environment(url, folder, smtp_port=sink.port, **given)
    return sink, stack.enter_context(ConsumerProcess(variables, folder, name=name)), url


LASTING = {"poison": poison, "memory": memory}


def last(name: str, node: PrivateNode, folder: Path, seed: int, events: int, say: Callable[[str], None]) -> Lasted:
    """Plays one of :data:`LASTING`."""
    began = time.monotonic()
    try:
        said, fault = LASTING[name](node, folder, seed, events, say), ""
    except AssertionError as error:
        said, fault = "", str(error)
    return Lasted(name, said, time.monotonic() - began, fault)
