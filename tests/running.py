"""The consumer as a process of its own, as it runs in production: start, watch, stop, kill and freeze it."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from config.testing import KEY, sqlite_url
from deploy.local.children import Children
from deploy.local.places import CLONE
from tests.waiting import eventually_blocking

_SAMPLE = re.compile(r"^(\w+?)(?:_total)?(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'(\w+)="([^"]*)"')

COMMAND = [sys.executable, "-m", "consumer"]


def environment(amqp_url: str, folder: Path, *, smtp_port: int | None = None, **settings: object) -> dict[str, str]:
    """The variables of a consumer whose files are in ``folder``; ``settings`` are names without prefix."""
    given = {
        "amqp_url": amqp_url,
        "database_url": sqlite_url(folder),
        "secret_keys": KEY.reveal(),
        "metrics_port": 0,
        "metrics_host": "127.0.0.1",
        # What a crash left unfinished is looked at again after a send deadline, and then sent once more after a pause.
        "send_deadline": 5,
        "unknown_pause": 1,
    }
    if smtp_port is not None:
        given["default_smtp_url"] = f"smtp://127.0.0.1:{smtp_port}?security=none"
        given["default_sender"] = "Platform <no-reply@platform.example>"
    return {f"MAILROOM_{name.upper()}": str(value) for name, value in (given | settings).items()}


def command(settings: Mapping[str, str], *arguments: str, text: str = "") -> "subprocess.CompletedProcess[str]":
    """Runs ``mailroom`` with ``arguments`` and ``text`` on its standard input; raises when it fails."""
    return subprocess.run(
        [*COMMAND, *arguments],
        input=text,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=CLONE,
        env={**os.environ, **settings},
    )


class ConsumerProcess:
    """``mailroom run`` with the given variables; its lines go to ``folder``. A context manager that kills it.

    ``program`` is another command line that runs the same program.
    """

    def __init__(
        self, settings: Mapping[str, str], folder: Path, *, name: str = "consumer", program: Sequence[str] = ()
    ) -> None:
        self._settings = {**settings, "MAILROOM_REPLICA_ID": name}
        self._program = list(program) or [*COMMAND, "run"]
        self.name = name
        self._folder = folder
        self._children = Children()
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0
        self._log = folder / f"{name}.log"
        self._port: int | None = None
        self.exit_codes: list[int] = []

    @property
    def pid(self) -> int:
        """The process that runs, or ran last."""
        assert self._process is not None, "it was never started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether there is a process now."""
        return self._process is not None and self._process.poll() is None

    def start(self, *, ready: bool = True, timeout: float = 30.0) -> Self:
        """Starts it, again if it ran before; with ``ready`` waits until it says that it is."""
        self._starts = len(list(self._folder.glob(f"{self.name}.*.log"))) + 1
        self._log = self._folder / f"{self.name}.{self._starts:03d}.log"
        self._port = None
        self._process = self._children.start(
            self._program,
            environment={**os.environ, **self._settings},
            output=self._log,
            folder=CLONE,
        )
        if ready:
            self.await_ready(timeout)
        return self

    def await_ready(self, timeout: float = 30.0) -> None:
        """Waits until ``/readyz`` says yes; raises when the process ended instead."""

        def ready() -> bool:
            if not self.running:
                raise AssertionError(f"the consumer ended:\n{self.text()[-4000:]}")
            return self.ready()

        eventually_blocking(ready, timeout, what=f"{self.name} is ready")

    def ready(self) -> bool:
        """What ``/readyz`` says now; no when it does not answer."""
        return self._get("/readyz")[0] == 200

    def checks(self) -> dict[str, bool]:
        """The named checks of ``/readyz``."""
        return json.loads(self._get("/readyz")[1] or b"{}").get("checks", {})

    def kill(self) -> None:
        """SIGKILL, and waits for its end."""
        self._end(signal.SIGKILL)

    def term(self) -> None:
        """SIGTERM; see :meth:`wait`."""
        os.kill(self.pid, signal.SIGTERM)

    def freeze(self) -> None:
        """SIGSTOP."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def wait(self, timeout: float = 30.0) -> int:
        """The exit code, once it has ended."""
        assert self._process is not None
        code = self._process.wait(timeout)
        self._children.forget(self._process.pid)
        self.exit_codes.append(code)
        return code

    def stop(self, timeout: float = 40.0) -> int:
        """SIGTERM, and the exit code."""
        self.term()
        return self.wait(timeout)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            self.wait(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(signal.SIGKILL)
        self._children.close()
        if error is not None:
            # Not inside the assertion: pytest shows it below the failure, whatever that was.
            for line in self.text().splitlines()[-60:]:
                print(f"{self.name}: {line}")

    # -- what it says --------------------------------------------------------------------------------------------

    def text(self) -> str:
        """All that this run has printed."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def lines(self, event: str = "") -> list[dict[str, Any]]:
        """Its log lines of all runs; with ``event`` those of one kind."""
        found = []
        for path in sorted(self._folder.glob(f"{self.name}.*.log")):
            for line in path.read_text(errors="replace").splitlines():
                if line.startswith("{") and line.endswith("}"):
                    fields = json.loads(line)
                    if not event or fields.get("event") == event:
                        found.append(fields)
        return found

    def metrics(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Every sample of ``/metrics`` by name (without ``_total``) and labels."""
        status, content = self._get("/metrics")
        assert status == 200, "metrics are not served"
        samples = {}
        for line in content.decode().splitlines():
            match = _SAMPLE.match(line)
            if match is not None and not line.startswith("#"):
                samples[match[1], frozenset(_LABEL.findall(match[2] or ""))] = float(match[3])
        return samples

    def metric(self, name: str, **labels: str) -> float:
        """The sum over all samples of ``name`` that have ``labels``."""
        wanted = labels.items()
        return sum(value for (other, have), value in self.metrics().items() if other == name and wanted <= set(have))

    def _get(self, path: str) -> tuple[int, bytes]:
        if self._port is None:
            match = re.search(r'"metrics and health are served".*?"port":(\d+)', self.text())
            if match is None:
                return 0, b""
            self._port = int(match[1])
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()


class Supervisor:
    """Starts a consumer again whenever it has died, as a supervisor does; call :meth:`look` while waiting."""

    def __init__(self, process: ConsumerProcess, limit: int) -> None:
        self.process, self.deaths, self._limit = process, 0, limit

    def look(self) -> None:
        """Restarts it if it is dead; raises after too many deaths."""
        if self.process.running:
            return
        self.process.wait()
        self.deaths += 1
        assert self.deaths <= self._limit, f"died {self.deaths} times"
        self.process.start(ready=False)


def clock() -> float:
    """Monotonic seconds, the clock of :class:`tests.fakes.sink.Taken`."""
    return time.monotonic()
