"""What measurements with one misbehaving organisation share: receiving servers, an account of its own, replicas."""

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import trustme

from config.secrets import Secret
from config.sending_limits import SendingLimits
from config.testing import smtp_form, stores_in
from deploy.local.broker_for_use import LocalBroker
from tests.bench import recorder
from tests.bench.steady import FLOODER
from tests.replica import program
from tests.running import ConsumerProcess, command, environment
from tests.waiting import eventually_blocking
from transports.smtp.settings import Security


@dataclass(slots=True)
class Arrivals:
    """What the receiving servers wrote down, read as it grows: first arrivals by letter and number, and the rest."""

    path: Path
    first: dict[bytes, dict[int, float]] = field(default_factory=lambda: {b"a": {}, b"s": {}})
    connections: list[float] = field(default_factory=list)
    again: Counter[bytes] = field(default_factory=Counter)
    _offset: int = 0

    def look(self) -> None:
        """Reads what has come since the last look."""
        count = 0
        for letter, number, at in recorder.records(self.path, self._offset):
            count += 1
            if letter == recorder.CONNECTION:
                self.connections.append(at)
            elif number in self.first[letter]:
                self.again[letter] += 1
            else:
                self.first[letter][number] = at
        self._offset += count * recorder.RECORD.size


@dataclass(frozen=True, slots=True)
class Place:
    """A virtual host, receiving servers, and the variables of a replica that works with them."""

    url: str
    folder: Path
    variables: Mapping[str, str]
    arrivals: Arrivals


@contextlib.contextmanager
def place(
    broker: LocalBroker, *, behaviour: str = "quick", own: Mapping[str, int] | None = None, **settings: object
) -> Iterator[Place]:
    """With ``own`` the flooding organisation has a server of its own that behaves so, and those limits (or none)."""
    name = f"bench-{os.getpid()}-{time.monotonic_ns()}"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = broker.add_vhost(name)
        stack.callback(broker.delete_vhost, name)
        authority = trustme.CA()
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(folder / "certificate.pem"))
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        relay, port = stack.enter_context(_servers(folder, behaviour))
        given: dict[str, object] = {
            "smtp_port": relay,
            "smtp_ports": port,
            "allow_networks": "127.0.0.0/8,::1/128",
            "tls_ca_file": folder / "ca.pem",
        }
        variables = environment(url, folder, **{**given, **settings})  # type: ignore[arg-type]
        command(variables, "topology", "apply")
        if own is not None:
            asyncio.run(_configured(folder, port, own))
        yield Place(url, folder, variables, Arrivals(folder / recorder.FILE))


@contextlib.contextmanager
def _servers(folder: Path, behaviour: str) -> Iterator[tuple[int, int]]:
    line = [sys.executable, "-m", "tests.bench.recorder", str(folder), behaviour]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            relay, port = map(int, process.stdout.readline().split())
            eventually_blocking((folder / recorder.FILE).exists, what="the receiving servers listen")
            yield relay, port
        finally:
            process.terminate()


async def _configured(folder: Path, port: int, limits: Mapping[str, int]) -> None:
    form = smtp_form(host="localhost", port=port, security=Security.TLS, username="flooder", password=Secret("secret"))
    async with stores_in(folder) as stores:
        await stores.organizations.configure_smtp(FLOODER, form)
        await SendingLimits(stores.store, now=stores.now).choose(FLOODER, limits)


@contextlib.contextmanager
def replicas(where: Place, count: int, *switches: str) -> Iterator[list[ConsumerProcess]]:
    """Replicas that are ready."""
    line = program(*switches)
    with ExitStack() as stack:
        found = [
            stack.enter_context(ConsumerProcess(where.variables, where.folder, name=f"replica-{number}", program=line))
            for number in range(count)
        ]
        for one in found:
            one.start(ready=False)
        for one in found:
            one.await_ready(60)
        yield found


class Flood:
    """A process that publishes many events of one organisation at once; a context manager."""

    def __init__(self, where: Place, count: int, size: int) -> None:
        self._line = [sys.executable, "-m", "tests.bench.steady", where.url, str(count), str(size), FLOODER]

    def __enter__(self) -> "Flood":
        self._process = subprocess.Popen(self._line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def begin(self) -> None:
        """Publishes from now on."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def published(self, timeout: float) -> tuple[float, float]:
        """When the first was published and the last confirmed; waits for it."""
        said, _ = self._process.communicate(timeout=timeout)
        began, ended = map(float, said.split())
        return began, ended


@dataclass(frozen=True, slots=True)
class Spent:
    """What processes have used: processor seconds, and memory now in MiB."""

    at: float
    cpu: float
    rss: float

    @classmethod
    def of(cls, processes: Sequence[ConsumerProcess]) -> "Spent":
        """Of all of them together."""
        found = [psutil.Process(one.pid) for one in processes]
        cpu = sum(sum(one.cpu_times()[:2]) for one in found)
        return cls(time.monotonic(), cpu, sum(one.memory_info().rss for one in found) / 2**20)

    def share(self, later: "Spent") -> float:
        """Processor time until then, in percent of one core."""
        return 100 * (later.cpu - self.cpu) / (later.at - self.at)
