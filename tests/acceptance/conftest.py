"""What the acceptance tests share: the whole program as processes, a real broker, and a server that counts."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fakes.sink import Sink
from tests.running import ConsumerProcess, environment


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

        def make(amqp_url: str, *, name: str = "consumer", **settings: object) -> ConsumerProcess:
            values = {"retry_schedule": "1", **settings}
            variables = environment(amqp_url, tmp_path, smtp_port=sink.port, **values)
            return stack.enter_context(ConsumerProcess(variables, tmp_path, name=name))

        yield make
