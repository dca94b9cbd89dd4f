"""What the acceptance tests share: the whole program as processes, a real broker, and a server that counts."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.fakes.sink import Sink
from tests.fakes.wire import Wire
from tests.integration.broking import through
from tests.running import ConsumerProcess, environment
from tests.waiting import eventually_blocking


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A server that takes every mail; set ``behave`` before the mails come."""
    with Sink() as running:
        yield running


Launch = Callable[..., ConsumerProcess]


@pytest.fixture
def launch(tmp_path: Path, sink: Sink) -> Iterator[Launch]:
    """Makes a consumer process for a broker, with the sink as the platform default; it is not started yet."""
    with ExitStack() as stack:

        def make(
            amqp_url: str, *, name: str = "consumer", program: Sequence[str] = (), **settings: object
        ) -> ConsumerProcess:
            values = {"retry_schedule": "1", **settings}
            variables = environment(amqp_url, tmp_path, smtp_port=sink.port, **values)
            return stack.enter_context(ConsumerProcess(variables, tmp_path, name=name, program=program))

        yield make


@pytest.fixture
def together(launch: Launch) -> Iterator[Callable[..., list[ConsumerProcess]]]:
    """Starts consumers that reach the broker at the same moment, however long each takes to come up.

    Before RabbitMQ 4 whoever comes first is given every partition.
    """
    with ExitStack() as stack:

        def start(amqp_url: str, *names: str, **settings: object) -> list[ConsumerProcess]:
            gates = [stack.enter_context(_gate(amqp_url)) for _ in names]
            replicas = [
                launch(through(wire, amqp_url), name=name, **settings).start(ready=False)
                for name, (wire, _) in zip(names, gates, strict=True)
            ]
            eventually_blocking(lambda: all(wire.opened for wire, _ in gates), 60, what="every consumer is at its gate")
            for _, opened in gates:
                opened()
            for replica in replicas:
                replica.await_ready(60)
            return replicas

        yield start


@contextmanager
def _gate(amqp_url: str) -> Iterator[tuple[Wire, Callable[[], object]]]:
    """A wire to the broker that carries nothing until the function beside it is called; it has a thread of its own."""
    parts = urlsplit(amqp_url)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="gate")
    thread.start()
    wire = Wire(parts.hostname or "", parts.port or 0)
    try:
        asyncio.run_coroutine_threadsafe(wire.accept(), loop).result(10)
        loop.call_soon_threadsafe(wire.freeze)
        yield wire, lambda: loop.call_soon_threadsafe(wire.thaw)
    finally:
        asyncio.run_coroutine_threadsafe(wire.__aexit__(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
