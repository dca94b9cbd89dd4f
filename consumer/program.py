"""The life of one consumer process: start in order, run until told to stop, drain, and end.

Stopping is an event and not a cancellation: a drain starts no further mail, finishes and acknowledges what is being
sent, closes the broker connections with whatever is unacknowledged, and then the rest. A second signal ends it at once.
"""

import asyncio
import contextlib
import gc
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from importlib.metadata import version

from config.logs import get_logger, install_loop_handler
from config.process import Settings
from consumer import names, rendezvous, startup
from consumer.app import Consumer
from consumer.broker import Incoming, Subscription
from consumer.errors import OperatorError
from consumer.health import HealthServer
from consumer.housekeeping import Household, Housekeeping
from consumer.metrics import Metrics
from consumer.seams import ORDINARY, Seams
from consumer.selfcheck import SelfCheck

log = get_logger(__name__)

_UNSORTED_PREFETCH = 50
_CLOSE_SECONDS = 5.0
"""Kept of a drain, a quarter of it at most, for closing the broker connections."""

_LEAST_CLOSE = 1.0


async def run(settings: Settings, seams: Seams = ORDINARY) -> int:
    """Runs a consumer until SIGTERM or SIGINT; returns the exit code.

    Raises ConfigurationError, SchemaOutdated, TopologyMismatch or OperatorError when it cannot be started as it is
    configured. A broker or database that is away is waited for.
    """
    loop = asyncio.get_running_loop()
    install_loop_handler(loop)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, partial(_signalled, stop, loop, number))
    metrics = Metrics(version("mailroom"))
    readiness = _Readiness()
    async with AsyncExitStack() as stack:
        # First of all: whoever watches this process can see what it waits for, and a liveness probe finds it alive.
        stack.push_async_callback((await _serve_health(settings, metrics, readiness)).aclose)
        opened = await startup.unless(stop, startup.open_store(settings))
        if opened is None:
            return 0
        store, box, keyed_hash = opened
        stack.push_async_callback(store.close)
        consumer = Consumer(settings, store, box, keyed_hash, metrics, seams)
        stack.push_async_callback(consumer.pacing.aclose)
        stack.push_async_callback(consumer.connections.aclose)
        stack.push_async_callback(consumer.transports.aclose)
        readiness.program = Program(consumer, stack)
        return await readiness.program.run(stop)


async def _serve_health(settings: Settings, metrics: Metrics, readiness: "_Readiness") -> HealthServer:
    health = HealthServer(metrics, readiness)
    try:
        port = await health.start(settings.metrics_host, settings.metrics_port)
    except OSError as error:
        await health.aclose()
        raise OperatorError(
            f"metrics cannot be served on {settings.metrics_host} port {settings.metrics_port} ({error.strerror}): "
            "set MAILROOM_METRICS_HOST and MAILROOM_METRICS_PORT (0: any free port)"
        ) from error
    log.info("metrics and health are served", port=port, replica=settings.replica_id)
    return health


class _Readiness:
    """Answers for the program, also while there is none yet."""

    program: "Program | None" = None

    async def __call__(self) -> Mapping[str, bool]:
        if self.program is None:
            return {"broker": False, "store": False, "consuming": False, "not_draining": True}
        return self.program.ready()


class Program:
    """One run of one consumer; ``stack`` holds what is closed after it, in reverse order."""

    def __init__(self, consumer: Consumer, stack: AsyncExitStack) -> None:
        self._consumer = consumer
        self._stack = stack
        self._subscriptions: dict[str, Subscription] = {}
        self._unsorted: Subscription | None = None
        self._draining = False
        self._selfcheck: SelfCheck | None = None
        self._housekeeping: Housekeeping | None = None

    async def run(self, stop: asyncio.Event) -> int:
        """Starts everything, waits, drains. The exit code is 1 when a vital side task died, else 0."""
        consumer, settings = self._consumer, self._consumer.settings
        if await startup.unless(stop, startup.ensure_topology(settings)) is None:
            return 0
        self._stack.push_async_callback(consumer.background.aclose)
        await consumer.broker.start()
        try:
            self._look_after(self._subscribe())
            # What was made up to here lives as long as the process: the collector need not look through it again and
            # again, which costs a tenth of the time of a busy consumer.
            gc.collect()
            gc.freeze()
            await self._until(stop)
        finally:
            await self._drain()
        return 1 if consumer.background.failed.is_set() else 0

    def _subscribe(self) -> SelfCheck:
        consumer, settings = self._consumer, self._consumer.settings
        self._follow_connection()
        for partition in names.partitions(settings.partitions):
            self._subscriptions[partition] = consumer.broker.subscribe(
                names.work_queue(partition),
                prefetch=settings.prefetch,
                on_message=self._receiver(partition),
                priority=rendezvous.weight(settings.replica_id, partition),
                delay=partial(rendezvous.delay, settings.replica_id, partition),
            )
        self._unsorted = consumer.broker.subscribe(
            names.UNSORTED, prefetch=_UNSORTED_PREFETCH, on_message=self._receiver("")
        )
        self._selfcheck = SelfCheck(
            consumer.broker,
            self._subscriptions,
            replica=settings.replica_id,
            held=consumer.worker.held,
            clock=time.monotonic,
        )
        return self._selfcheck

    def _receiver(self, partition: str) -> Callable[[Incoming], None]:
        def receive(incoming: Incoming) -> None:
            if self._selfcheck is not None:
                self._selfcheck.delivered(partition)
            self._consumer.worker.receive(incoming, partition)

        return receive

    def _follow_connection(self) -> None:
        """No mail starts while its outcome could not be published."""
        broker, worker = self._consumer.broker, self._consumer.worker

        def changed() -> None:
            worker.allow(broker.connected and not broker.blocked)

        broker.on_change = changed
        changed()

    def _look_after(self, selfcheck: SelfCheck) -> None:
        consumer = self._consumer
        household = Household(
            broker=consumer.broker,
            directory=consumer.directory,
            organizations=consumer.organizations,
            quarantine=consumer.quarantine_store,
            parking=consumer.parking,
            grants=consumer.grant_keeping,
            selfcheck=selfcheck,
            metrics=consumer.metrics,
            partitions=consumer.settings.partitions,
            now=consumer.now,
            random=consumer.random,
            chores=consumer.pacing.chores(),
        )
        self._housekeeping = Housekeeping(household, consumer.background)
        consumer.metrics.oldest(lambda: consumer.worker.oldest(time.monotonic()))
        consumer.broker.subscribe_temporary(
            names.CONFIG, on_message=self._housekeeping.changed, on_ready=lambda: consumer.directory.invalidate(None)
        )
        self._housekeeping.start()
        consumer.background.start(consumer.crowding.run(), name="crowding", vital=True)

    async def _until(self, stop: asyncio.Event) -> None:
        waits = {
            asyncio.create_task(stop.wait()),
            asyncio.create_task(self._consumer.background.failed.wait()),
        }
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    async def _drain(self) -> None:
        self._draining = True
        consumer = self._consumer
        started = time.monotonic()
        log.info("draining", count=consumer.worker.in_hand)
        seconds = consumer.settings.drain_seconds
        left = await consumer.worker.drain(seconds - min(_CLOSE_SECONDS, seconds / 4))
        # A sweep must not lose its connection between publishing a copy and the ack: it ends before.
        await consumer.background.aclose()
        # Whoever is given the partitions next reads what the lanes remember.
        await consumer.pacing.hand_over()
        # A broker that stands still is not waited for longer than promised; it gives back what it sees unacknowledged.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(_LEAST_CLOSE, seconds - (time.monotonic() - started))):
                await consumer.broker.close()
        log.info("drained", count=left, seconds=round(time.monotonic() - started, 2))

    def ready(self) -> Mapping[str, bool]:
        """What must hold for this replica to count as ready."""
        broker = self._consumer.broker
        return {
            "broker": broker.connected and not broker.blocked,
            "store": self._housekeeping is not None and self._housekeeping.store_available,
            "consuming": self._selfcheck is not None
            and self._selfcheck.complete
            and self._unsorted is not None
            and self._unsorted.active,
            "not_draining": not self._draining,
        }


def _signalled(stop: asyncio.Event, loop: asyncio.AbstractEventLoop, number: int) -> None:
    log.info("stop requested", reason=signal.Signals(number).name)
    stop.set()
    # The next signal is not ours any more: it ends the process at once, as a person at a terminal expects.
    loop.remove_signal_handler(number)
