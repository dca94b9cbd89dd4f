"""The replicas of one scene, and who starts them again."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.chaos.orders import FOLDER, Orders
from tests.running import ConsumerProcess, clock
from tests.waiting import eventually_blocking

PROGRAM = (sys.executable, "-m", "tests.chaos.replica")
METRICS = "metrics"
STOPPED_IN = 40.0


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that is gone: when it was seen to be, and its exit code (a signal's number negated)."""

    pid: int
    at: float
    code: int


class Fleet:
    """Replicas over one environment; a context manager. ``folder`` gets their logs, traces, orders and metrics.

    Their metrics are kept in files by ``prometheus_client`` itself, so that a SIGKILL takes no count away.
    """

    def __init__(self, variables: Mapping[str, Mapping[str, str]], folder: Path) -> None:
        self.orders = Orders(folder)
        self.ended: list[Ended] = []
        self.strange: list[str] = []
        """Ends that nobody asked for, in words."""

        self._wanted = False
        self._expected: set[int] = set()
        self._thawed_at: list[tuple[float, int]] = []
        self._stack = ExitStack()
        (folder / METRICS).mkdir()
        self._replicas = [
            ConsumerProcess(
                {**given, FOLDER: str(folder), "PROMETHEUS_MULTIPROC_DIR": str(folder / METRICS)},
                folder,
                name=name,
                program=PROGRAM,
            )
            for name, given in variables.items()
        ]

    def __enter__(self) -> Self:
        for one in self._replicas:
            self._stack.enter_context(one)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    @property
    def names(self) -> list[str]:
        """Of the replicas."""
        return [one.name for one in self._replicas]

    def pids(self) -> list[int]:
        """Of those that run."""
        return [one.pid for one in self._replicas if one.running]

    def start(self) -> None:
        """Starts those that do not run, and waits until all are ready."""
        self._wanted = True
        for one in self._replicas:
            if not one.running:
                one.start(ready=False)
        for one in self._replicas:
            one.await_ready(60)

    def ready(self) -> bool:
        """Whether all are."""
        self.look()
        return all(one.running and one.ready() for one in self._replicas)

    def expect(self, pid: int) -> None:
        """This process is about to end, or has ended, because it was told to."""
        self._expected.add(pid)

    def frozen(self, pid: int, seconds: float) -> None:
        """This process was stopped: it shall go on after so long."""
        self._thawed_at.append((clock() + seconds, pid))

    def look(self) -> None:
        """Starts again what has died, lets go on what has stood still long enough; to be called while waiting."""
        for entry in [one for one in self._thawed_at if one[0] <= clock()]:
            self._thawed_at.remove(entry)
            with contextlib.suppress(ProcessLookupError):
                os.kill(entry[1], signal.SIGCONT)
        for one in self._replicas:
            if self._wanted and not one.running:
                self._note(one)
                one.start(ready=False)

    def stop(self) -> None:
        """Drains all of them; what does not end in time is strange, and killed."""
        self._wanted = False
        while self._thawed_at:
            _, pid = self._thawed_at.pop()
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        for one in self._replicas:
            if one.running:
                one.term()
                self.expect(one.pid)
        for one in self._replicas:
            try:
                eventually_blocking(lambda one=one: not one.running, STOPPED_IN)  # type: ignore[misc]
            except AssertionError:
                self.strange.append(f"{one.name} did not end within {STOPPED_IN:g} s of SIGTERM")
                one.kill()
            self._note(one)

    def _note(self, one: ConsumerProcess) -> None:
        code = one.wait(10)
        if any(ended.pid == one.pid for ended in self.ended):
            return
        self.ended.append(Ended(one.pid, clock(), code))
        if one.pid not in self._expected and code != -signal.SIGKILL:
            last = one.text()[-2000:]
            self.strange.append(f"{one.name} ended by itself with {code}: {last}")
        elif code not in (0, -signal.SIGKILL):
            self.strange.append(f"{one.name} ended with {code}")

    def find(self, pid: int) -> ConsumerProcess | None:
        """The replica that runs, or ran last, as this process."""
        return next((one for one in self._replicas if one.pid == pid), None)

    def lines(self) -> list[dict[str, object]]:
        """What all of them have logged, in all their lives."""
        return [line for one in self._replicas for line in one.lines()]


def waiting(fleet: Fleet, condition: Callable[[], bool]) -> Callable[[], bool]:
    """A condition for ``eventually_blocking`` that looks after the fleet meanwhile."""

    def looked() -> bool:
        fleet.look()
        return condition()

    return looked
