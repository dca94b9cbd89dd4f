"""Parked events: kept while an organisation's account needs attention, and let go by themselves when it is mended.

A sweep looks once at every event that was parked when it began. Events of a mended organisation go back to the sorter,
so do expired ones and those parked too long, whose end is the worker's to decide and to record; the rest is appended
anew, so that no old message pins the broker's log. One sweep of a partition at a time: the parked queues have a single
active consumer.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final

from config.errors import SettingsUnreadable
from config.logs import get_logger
from config.organizations import Directory
from consumer import names
from consumer.attempt import Attempt, read, write
from consumer.broker import Broker, Incoming, PublishFailed
from consumer.broker_errors import Reason as Failure
from consumer.routing import NoRoute, PlatformDefault, choose

log = get_logger(__name__)

LONGEST: Final = timedelta(days=7)
"""How long an event may stay parked, all its times together."""

_PREFETCH = 50
_QUIET = 5.0
"""Seconds without a delivery after which a sweep takes it that another replica holds the queue."""


@dataclass(slots=True)
class Sweep:
    """What a sweep did, in events."""

    released: int = 0
    kept: int = 0


class Parking:
    """Sweeps the parked queues."""

    def __init__(
        self,
        broker: Broker,
        directory: Directory,
        *,
        default: PlatformDefault | None,
        now: Callable[[], datetime],
        new_copy: Callable[[], str],
    ) -> None:
        self._broker = broker
        self._directory = directory
        self._default = default
        self._now = now
        self._new_copy = new_copy

    async def sweep(self, partition: str) -> Sweep:
        """Goes once through the parked events of a partition.

        Raises StoreUnavailable when settings cannot be read, and BrokerError; what was not settled stays parked.
        """
        queue = names.parked_queue(partition)
        count = (await self._broker.queue_state(queue)).ready
        done = Sweep()
        if count == 0:
            return done
        inbox: asyncio.Queue[Incoming] = asyncio.Queue()
        tried: set[str] = set()
        subscription = self._broker.subscribe(queue, prefetch=_PREFETCH, on_message=inbox.put_nowait)
        try:
            for _ in range(count):
                try:
                    async with asyncio.timeout(_QUIET):
                        incoming = await inbox.get()
                except TimeoutError:
                    break
                try:
                    await self._settle(incoming, partition, tried, done)
                except PublishFailed as failure:
                    if failure.reason is not Failure.ABANDONED:
                        raise
        finally:
            await self._broker.unsubscribe(subscription)
        if done.released:
            log.info("parked events swept", partition=partition, count=done.released)
        return done

    async def mended(self, organization: str) -> bool:
        """Whether parked events of an organisation may go now. Raises StoreUnavailable."""
        return await self._mended(organization, self._now(), set())

    async def _settle(self, incoming: Incoming, partition: str, tried: set[str], done: Sweep) -> None:
        if not incoming.current():  # its channel was lost: it comes again, and that one counts
            return
        now = self._now()
        headers = incoming.properties.headers
        attempt = read(headers, now)
        organization = str(headers.get(names.H_ORGANIZATION, ""))
        if self._over(headers, attempt, now) or await self._mended(organization, now, tried):
            exchange, key = names.SORT, names.H_PARTITION
            ours = write(attempt.released(now))
            done.released += 1
        else:
            exchange, key = names.PARKED, partition
            ours = write(replace(attempt, parked_at=attempt.parked_at or now))
            done.kept += 1
        await self._move(incoming, exchange, key, ours)

    @staticmethod
    def _over(headers: Mapping[str, object], attempt: Attempt, now: datetime) -> bool:
        expires = read({names.H_NOT_BEFORE: headers.get(names.H_EXPIRES)}, now).not_before
        return (expires is not None and expires <= now) or attempt.released(now).paused > LONGEST.total_seconds()

    async def _mended(self, organization: str, now: datetime, tried: set[str]) -> bool:
        """Whether the organisation's events may go; of a suspended one that is due for a try, a single event."""
        try:
            settings = await self._directory.get(organization)
        except SettingsUnreadable:
            return False
        if isinstance(choose(settings, self._default, now), NoRoute):
            return False
        if settings is None or settings.suspension is None:
            return True
        if organization in tried:
            return False
        tried.add(organization)
        return True

    async def _move(self, incoming: Incoming, exchange: str, key: str, ours: dict[str, object]) -> None:
        headers = names.without_broker_headers(incoming.properties.headers) | ours
        for stale in (names.H_PARKED_AT, names.H_NOT_BEFORE):
            if stale not in ours:
                headers.pop(stale, None)
        # The same identifier if it is moved again because its ack was lost, so that the worker knows the second copy.
        parent = read(incoming.properties.headers, self._now()).copy
        moved = blake2b(f"{parent}\0{exchange}".encode(), digest_size=16).hexdigest()
        headers[names.H_COPY] = moved if parent else self._new_copy()
        await self._broker.publish(
            exchange, key, incoming.body, replace(incoming.properties, headers=headers), still=incoming.current
        )
        incoming.ack()
