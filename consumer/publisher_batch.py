"""Publishing many events with a window of unconfirmed ones, an order of magnitude faster than one by one."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from consumer.events import InvalidEvent
from consumer.publisher_errors import PublishError, PublishUnavailable
from consumer.publisher_link import Link, LinkLost, Outgoing
from consumer.publisher_pool import LinkPool
from consumer.topology_connection import BrokerUnavailable

E = TypeVar("E")

MAX_BYTES_UNDER_WAY: Final = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Published:
    """What became of the event at ``position`` (from 0): ``problem`` is None when the broker has it on disk."""

    position: int
    event_id: str | None
    problem: InvalidEvent | PublishError | None = None


def publish_all(
    events: Iterable[E],
    prepare: Callable[[E], Outgoing],
    pool: LinkPool,
    deliver: Callable[[Outgoing], None],
    *,
    window: int,
    timeout: float,
) -> Iterator[Published]:
    """Settles every event, through ``pool`` with a window and after any trouble one by one through ``deliver``.

    Raises:
        PublishUnavailable: ``deliver`` did; nothing after that is tried. ``unknown`` has what may have arrived.
    """
    source = enumerate(events)
    while True:
        under_way: dict[int, Outgoing] = {}
        sent: set[int] = set()
        try:
            with pool.link(timeout) as link:
                yield from _windowed(source, prepare, link, under_way, sent, window, timeout)
                return
        except (LinkLost, BrokerUnavailable, PublishError):
            pass
        # Which of them the trouble concerns, and which had arrived, nobody knows: each gets a verdict of its own.
        for position, outgoing in under_way.items():
            yield _single(position, outgoing, deliver, {each for each in sent if each >= position})
        if under_way:
            continue
        # There was no connection to begin with: one event goes the patient way, and says whether to go on.
        for position, event in source:
            try:
                outgoing = prepare(event)
            except InvalidEvent as error:
                yield Published(position, None, error)
            else:
                yield _single(position, outgoing, deliver, set())
                break
        else:
            return


def _windowed(
    source: Iterator[tuple[int, E]],
    prepare: Callable[[E], Outgoing],
    link: Link,
    under_way: dict[int, Outgoing],
    sent: set[int],
    window: int,
    timeout: float,
) -> Iterator[Published]:
    tags: dict[int, int] = {}
    size = 0

    def settled() -> Published:
        nonlocal size
        tag, problem = link.verdict(timeout)
        position = tags.pop(tag)
        outgoing = under_way.pop(position)
        sent.discard(position)
        size -= len(outgoing.body)
        return Published(position, outgoing.message_id, problem)

    for position, event in source:
        try:
            outgoing = prepare(event)
        except InvalidEvent as error:
            yield Published(position, None, error)
            continue
        # Taken from the source, so it must not be forgotten if the link breaks while there is no room for it.
        under_way[position] = outgoing
        while tags and (len(tags) >= window or size + len(outgoing.body) > MAX_BYTES_UNDER_WAY):
            yield settled()
        size += len(outgoing.body)
        sent.add(position)
        tags[link.send(outgoing)] = position
    while tags:
        yield settled()


def _single(position: int, outgoing: Outgoing, deliver: Callable[[Outgoing], None], sent: set[int]) -> Published:
    """``sent`` are the events without a result that a broken link has had, to be told if this is where it ends."""
    try:
        deliver(outgoing)
    except PublishUnavailable as error:
        unknown = sent | {position} if error.sent else sent
        raise PublishUnavailable(str(error), sent=error.sent, unknown=unknown) from error
    except PublishError as error:
        return Published(position, outgoing.message_id, error)
    return Published(position, outgoing.message_id)
