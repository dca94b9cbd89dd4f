"""Declares the topology, verifies it and prints it; what it consists of is in ``consumer.topology_entities``.

Blocking, for the command line and for start-up (``asyncio.to_thread``). Nothing here ever deletes or changes what
exists: a difference is named, and a person decides.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from amqp.exceptions import AccessRefused, ChannelError, NotFound, PreconditionFailed
from kombu.connection import Connection

from consumer import names
from consumer.errors import OperatorError
from consumer.topology_connection import BrokerUnavailable, connected
from consumer.topology_entities import topology
from consumer.topology_management import MISSING, Difference, inequivalence, management_differences

__all__ = [
    "GIVE_NUMBER",
    "BrokerUnavailable",
    "Difference",
    "Report",
    "TopologyForbidden",
    "TopologyMismatch",
    "apply_topology",
    "check_topology",
    "ensure_partitions",
]

GIVE_NUMBER: Final = "give MAILROOM_PARTITIONS the number that is there"
_ADVICE: Final = (
    f"nothing was changed; {GIVE_NUMBER}, or drain and delete the differing "
    "entities and run `mailroom topology apply` again"
)


class TopologyMismatch(OperatorError):
    """The broker has something else under our names; ``differences`` tells what."""

    def __init__(self, differences: Sequence[Difference]) -> None:
        self.differences = tuple(differences)
        super().__init__("\n".join([*map(str, differences), _ADVICE]))


class TopologyForbidden(OperatorError):
    """The broker's user may not declare; the topology must be laid by an operator, or from definitions.json."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found. ``bindings_verified`` is false when no management API was at hand: AMQP cannot list them.

    ``arguments_verified`` is false when the user may not declare, which is how AMQP compares arguments. ``partitions``
    is the number the broker has, ``None`` when its work queues are no complete row.
    """

    differences: tuple[Difference, ...]
    bindings_verified: bool
    arguments_verified: bool
    partitions: int | None


def apply_topology(urls: str | Sequence[str], partitions: int, *, ca_file: Path | None = None) -> None:
    """Declares everything that is missing. Idempotent, and safe for several replicas at once.

    Raises:
        TopologyMismatch: something exists with other properties, or the number of partitions is another.
        TopologyForbidden: the user may not declare.
        BrokerUnavailable: no connection, or it broke.
    """
    wanted = topology(partitions)
    with connected(urls, ca_file=ca_file, name="mailroom topology") as connection:
        _refuse_other_partitions(connection, partitions)
        channel = connection.channel()
        for exchange in wanted.exchanges:
            with _explained("exchange", exchange.name):
                exchange(channel).declare()
        for queue in wanted.queues:
            with _explained("queue", queue.name):
                bound = queue(channel)
                bound.queue_declare()
                bound.queue_bind()
        for route in wanted.routes:
            with _explained("exchange", route.destination.name):
                route.destination(channel).bind_to(route.source.name, route.routing_key)


def check_topology(
    urls: str | Sequence[str],
    partitions: int,
    *,
    ca_file: Path | None = None,
    management_url: str | None = None,
) -> Report:
    """Compares the broker with the topology and names every difference; declares nothing.

    Existence is asked passively; arguments are compared by declaring again what is known to exist, which the broker
    answers without change. With the address of the management API all of it is read there instead, bindings included.

    Raises:
        BrokerUnavailable: no connection, it broke, or the management API does not answer.
    """
    wanted = topology(partitions)
    with connected(urls, ca_file=ca_file, name="mailroom topology") as connection:
        existing = _existing_partitions(connection, partitions)
        found = _partition_differences(existing, partitions)
        number = len(existing) if _in_a_row(existing) else None
        known = {difference.name for difference in found}
        if management_url is not None:
            place = (connection.virtual_host or "/", connection.userid or "", connection.password or "")
            listed = management_differences(management_url, *place, wanted)
            found.extend(difference for difference in listed if difference.name not in known)
            return Report(tuple(found), bindings_verified=True, arguments_verified=True, partitions=number)
        inspector = _Inspector(connection)
        for exchange in wanted.exchanges:
            passive = {"exchange": exchange.name, "type": exchange.type, "passive": True}
            inspector.compare("exchange", exchange.name, passive, exchange)
        for queue in wanted.queues:
            if queue.name not in known:
                inspector.compare("queue", queue.name, {"queue": queue.name, "passive": True}, queue)
    differences = (*found, *inspector.differences)
    return Report(differences, bindings_verified=False, arguments_verified=inspector.arguments, partitions=number)


def ensure_partitions(urls: str | Sequence[str], partitions: int, *, ca_file: Path | None = None) -> None:
    """Makes sure that the broker has exactly this number of partitions; needs no right to declare.

    Raises:
        TopologyMismatch: it has another number, or none.
        BrokerUnavailable: no connection, or it broke.
    """
    with connected(urls, ca_file=ca_file, name="mailroom start") as connection:
        differences = _partition_differences(_existing_partitions(connection, partitions), partitions)
        if differences:
            raise TopologyMismatch(differences)


class _Inspector:
    """Compares entities one after the other on throw-away channels: every refusal closes the channel it came on."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.differences: list[Difference] = []
        self.arguments = True

    def compare(self, kind: str, name: str, passive: dict[str, Any], entity: Any) -> None:
        try:
            with self._connection.channel() as channel:
                (channel.queue_declare if kind == "queue" else channel.exchange_declare)(**passive)
        except NotFound:
            self.differences.append(Difference(kind, name, MISSING))
            return
        except AccessRefused:
            self.differences.append(Difference(kind, name, "cannot be looked at: the user has no permission on it"))
            return
        if not self.arguments:
            return
        try:
            with self._connection.channel() as channel:
                bound = entity(channel)
                (bound.queue_declare if kind == "queue" else bound.declare)()
        except PreconditionFailed as error:
            self.differences.append(inequivalence(kind, name, error.reply_text))
        except AccessRefused:
            self.arguments = False


def _existing_partitions(connection: Connection, partitions: int) -> set[int]:
    """The numbers of the work queues that exist: AMQP cannot list, but there can be no more than a hundred.

    A queue that is not there costs a channel and a line in the broker's log, so what lies behind the next one after
    the wanted ones is asked for only if those differ from what is wanted.
    """
    following = min(partitions + 1, names.MAX_PARTITIONS)
    existing = _existing_among(connection, range(following))
    if existing != set(range(partitions)):
        existing |= _existing_among(connection, range(following, names.MAX_PARTITIONS))
    return existing


def _existing_among(connection: Connection, numbers: Iterable[int]) -> set[int]:
    existing = set()
    channel = connection.channel()
    for number in numbers:
        queue = names.work_queue(names.partition_name(number))
        try:
            channel.queue_declare(queue=queue, passive=True)
        except ChannelError as error:
            if not isinstance(error, NotFound | AccessRefused):
                raise
            channel = connection.channel()
        else:
            existing.add(number)
    channel.close()
    return existing


def _in_a_row(existing: set[int]) -> bool:
    return bool(existing) and max(existing) + 1 == len(existing)


def _partition_differences(existing: set[int], partitions: int) -> list[Difference]:
    wanted = set(range(partitions))
    if existing != wanted and _in_a_row(existing):
        queue = names.work_queue(names.partition_name(max(existing)))
        text = f"is the last one: the topology has {len(existing)} partitions, not {partitions}"
        return [Difference("queue", queue, text)]
    problems = [(number, "is one too many") for number in existing - wanted]
    problems += [(number, "is missing") for number in wanted - existing]
    return [
        Difference("queue", names.work_queue(names.partition_name(number)), text) for number, text in sorted(problems)
    ]


def _refuse_other_partitions(connection: Connection, partitions: int) -> None:
    existing = _existing_partitions(connection, partitions)
    # Work queues are declared from the highest down, so what an interrupted apply left has the highest.
    interrupted = existing and max(existing) == partitions - 1
    if existing and not interrupted:
        raise TopologyMismatch(_partition_differences(existing, partitions))


@contextmanager
def _explained(kind: str, name: str) -> Iterator[None]:
    try:
        yield
    except PreconditionFailed as error:
        raise TopologyMismatch([inequivalence(kind, name, error.reply_text)]) from error
    except AccessRefused as error:
        raise TopologyForbidden(
            f"the broker's user may not declare {kind} {name}: give it the permission, or have an operator run "
            "`mailroom topology apply`"
        ) from error
