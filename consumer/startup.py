"""What must hold before a consumer takes its first delivery: an open store with the right key, and the topology.

A database or broker that is away is waited for; what is configured wrongly is an error at once.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from config.errors import StoreUnavailable
from config.logs import get_logger
from config.process import Settings
from config.secrets import KeyedHash, SecretBox
from config.store import Store
from config.store_keyring import open_keyring
from consumer.topology import (
    BrokerUnavailable,
    TopologyForbidden,
    TopologyMismatch,
    apply_topology,
    check_topology,
    ensure_partitions,
)
from consumer.topology_management import MISSING

log = get_logger(__name__)

T = TypeVar("T")

_PAUSE = 2.0


async def open_store(settings: Settings) -> tuple[Store, SecretBox, KeyedHash]:
    """The open database, the keys and the keyed hash; waits for a database that does not answer.

    Raises ConfigurationError (also for wrong keys) and SchemaOutdated.
    """
    box = SecretBox(settings.secret_keys)
    while True:
        try:
            store = await Store.open(settings.database_url)
            try:
                return store, box, await open_keyring(store, box)
            except BaseException:
                await store.close()
                raise
        except StoreUnavailable as error:
            log.error("the database does not answer; waiting for it", problem=str(error), delay=_PAUSE)
            await asyncio.sleep(_PAUSE)


async def ensure_topology(settings: Settings) -> bool:
    """Declares what is missing on the broker, or verifies it where we may not declare; waits for the broker.

    Raises TopologyMismatch when the broker has something else under our names.
    """
    while True:
        try:
            await asyncio.to_thread(_declare_or_verify, settings)
        except BrokerUnavailable as error:
            log.error("the broker cannot be used; waiting for it", problem=str(error), delay=_PAUSE)
            await asyncio.sleep(_PAUSE)
        else:
            return True


def _declare_or_verify(settings: Settings) -> None:
    try:
        apply_topology(settings.amqp_url, settings.partitions, ca_file=settings.tls_ca_file)
    except TopologyForbidden:
        ensure_partitions(settings.amqp_url, settings.partitions, ca_file=settings.tls_ca_file)
        report = check_topology(settings.amqp_url, settings.partitions, ca_file=settings.tls_ca_file)
        # What this user may not look at is no difference; what is not there would strand an outcome later.
        missing = [difference for difference in report.differences if difference.problem == MISSING]
        if missing:
            raise TopologyMismatch(missing) from None


async def unless(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of ``work``, or ``None`` when ``stop`` is set first; ``work`` is cancelled then."""
    task = asyncio.ensure_future(work)
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
    return None if task.cancelled() else task.result()
