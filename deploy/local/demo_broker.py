"""The demo's side of the broker: a place of its own on it, raw messages, queue depths, dead letters.

On a broker that somebody else runs the demo never touches what is there: it works in a virtual host of its own, or,
where it may not make one, only in one that has nothing of Mailroom yet, and takes everything away afterwards.
"""

import contextlib
import secrets
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, ChannelClosedByBroker

from consumer import names
from deploy.local.broker_for_use import MANAGEMENT_VARIABLE, VARIABLE, GivenBroker, LocalBroker
from deploy.local.management import ManagementError

PARTITIONS = 32
_EXCHANGES = (
    *(names.NOTIFICATIONS, names.SORT, names.UNSORTED, names.LATER, names.PARKED, names.DEAD),
    *(names.CONFIG, names.EVENTS),
)


class BrokerUnsuitable(RuntimeError):
    """The given broker cannot be used without touching what is on it; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message in the dead-letter queue."""

    event_id: str
    headers: Mapping[str, Any]
    body: bytes


def queues() -> tuple[str, ...]:
    """All queues of Mailroom but the dead-letter queue."""
    numbers = names.partitions(PARTITIONS)
    return (
        names.UNSORTED,
        *map(names.work_queue, numbers),
        *map(names.wait_queue, names.WAIT_TIERS),
        *map(names.parked_queue, numbers),
    )


@contextlib.contextmanager
def own_place(broker: LocalBroker, ca_file: Path | None = None) -> Iterator[str]:
    """The address of a place on ``broker`` where nobody else is; it is gone afterwards.

    Raises:
        BrokerUnsuitable: there is none.
    """
    if not isinstance(broker, GivenBroker):
        yield broker.amqp_url()
        return
    name = f"mailroom-demo-{secrets.token_hex(4)}"
    try:
        url = broker.add_vhost(name)
    except ManagementError as error:
        with contextlib.suppress(ManagementError):  # it may have been made before something else was refused
            broker.delete_vhost(name)
        yield from _untouched(broker.amqp_url(), str(error), ca_file)
        return
    try:
        _require(url, ca_file)
        yield url
    finally:
        broker.delete_vhost(name)


def _require(url: str, ca_file: Path | None) -> None:
    try:
        with channel(url, ca_file):
            pass
    except (AMQPError, OSError) as error:
        raise BrokerUnsuitable(_away(error)) from error


def _away(error: Exception) -> str:
    return (
        f"the broker of {VARIABLE} cannot be used ({type(error).__name__}): correct the address, or unset it to have "
        f"a private node started. {MANAGEMENT_VARIABLE} must name the management API of the same broker."
    )


def _untouched(url: str, why: str, ca_file: Path | None) -> Iterator[str]:
    """The given virtual host, if nothing of Mailroom's is in it."""
    try:
        taken = [name for name in _EXCHANGES if _exists(url, name, ca_file)]
    except (AMQPError, OSError) as error:
        raise BrokerUnsuitable(_away(error)) from error
    if taken:
        raise BrokerUnsuitable(
            f"the broker of {VARIABLE} already has the exchange {taken[0]!r}, and sample events must not mix with real "
            f"ones. A virtual host for the demo could not be made ({why}): name a user who may make one (and the API's "
            f"address in {MANAGEMENT_VARIABLE}), or an empty virtual host, or unset {VARIABLE}."
        )
    try:
        yield url
    finally:
        with channel(url, ca_file) as there:
            for queue in (*queues(), names.DEAD):
                there.queue_delete(queue)
            for exchange in _EXCHANGES:
                there.exchange_delete(exchange)


def _exists(url: str, exchange: str, ca_file: Path | None) -> bool:
    with channel(url, ca_file) as there:
        try:
            there.exchange_declare(exchange, passive=True)
        except ChannelClosedByBroker as error:
            if error.reply_code != 404:
                raise
            return False
        return True


@contextlib.contextmanager
def channel(url: str, ca_file: Path | None = None) -> Iterator[BlockingChannel]:
    """A channel on a connection of its own."""
    parameters = pika.URLParameters(url)
    if url.startswith("amqps:"):
        context = ssl.create_default_context()
        if ca_file is not None:
            context.load_verify_locations(ca_file)
        parameters.ssl_options = pika.SSLOptions(context, parameters.host)
    connection = pika.BlockingConnection(parameters)
    try:
        yield connection.channel()
    finally:
        if connection.is_open:
            connection.close()


def publish_raw(there: BlockingChannel, key: str, event_id: str, body: bytes, headers: Mapping[str, str]) -> None:
    """Publishes a message as any AMQP client would, with just these headers; confirmed if the channel is set so."""
    properties = pika.BasicProperties(
        content_type=names.CONTENT_TYPE, delivery_mode=2, message_id=event_id, headers=dict(headers)
    )
    there.basic_publish(names.NOTIFICATIONS, key, body, properties, mandatory=True)


def depth(there: BlockingChannel, queue: str) -> int:
    """Messages that wait in a queue."""
    return there.queue_declare(queue, passive=True).method.message_count or 0


def depths(there: BlockingChannel) -> dict[str, int]:
    """The queues that are not empty, but for the dead-letter queue."""
    counts = {queue: depth(there, queue) for queue in queues()}
    return {queue: count for queue, count in counts.items() if count}


def dead_letters(there: BlockingChannel) -> list[Letter]:
    """All dead letters; they stay in the queue."""
    letters: list[Letter] = []
    for _ in range(depth(there, names.DEAD)):
        _, properties, body = there.basic_get(names.DEAD)
        if properties is not None:
            # pika's type stubs take the body for text.
            letters.append(Letter(properties.message_id or "", properties.headers or {}, cast("bytes", body)))
    if letters:
        there.basic_nack(0, multiple=True, requeue=True)
    return letters
