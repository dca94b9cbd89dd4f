"""Server processes that never outlive their owner, however the owner ends.

Each owner has a guard process (:mod:`deploy.local.guard`) at the other end of a pipe. It does not know what the
servers are; starting, readiness and graceful stops are the business of the module that owns the server.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from deploy.local import guard


class Children:
    """Starts processes in sessions of their own and ends what is left of them at :meth:`close`.

    A terminal's Ctrl-C therefore never reaches a server directly: its owner decides. Threads may share an instance
    as long as they use different processes.
    """

    def __init__(self) -> None:
        self._guard: subprocess.Popen[bytes] | None = None
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    def start(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        output: Path | None = None,
        folder: Path | None = None,
        last_signal: signal.Signals = signal.SIGKILL,
    ) -> "subprocess.Popen[bytes]":
        """Starts ``command`` with no input; what it prints is appended to ``output``.

        ``last_signal`` is what it gets first when its owner dies.
        """
        self._ensure_guard()
        with contextlib.ExitStack() as stack:
            sink: IO[bytes] | int = stack.enter_context(output.open("ab")) if output else subprocess.DEVNULL
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd=folder,
                start_new_session=True,
            )
        self._running[process.pid] = process
        self.watch(process.pid, last_signal)
        return process

    def watch(self, pid: int, last_signal: signal.Signals = signal.SIGKILL) -> None:
        """Has the guard end ``pid`` too, which need not be a child of this process."""
        self._ensure_guard()
        started = guard.started_at(pid)
        if started is not None:
            self._tell({"watch": [pid, started, int(last_signal)]})

    def forget(self, pid: int) -> None:
        """Takes a process that has ended off the list."""
        self._running.pop(pid, None)
        self._tell({"forget": pid})

    def remove_at_end(self, folder: Path) -> None:
        """Has ``folder`` removed when everything has ended, also after an unclean end of the owner."""
        self._ensure_guard()
        self._tell({"remove": str(folder)})

    def end(self, process: "subprocess.Popen[bytes]", first: signal.Signals, grace: float) -> None:
        """Ends a process with ``first``, and with SIGKILL if it is still there ``grace`` seconds later."""
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(first)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        self.forget(process.pid)

    def close(self) -> None:
        """Kills what still runs and removes the folders given over; may be called twice."""
        for process in list(self._running.values()):
            self.end(process, signal.SIGKILL, 5)
        keeper, self._guard = self._guard, None
        if keeper is not None and keeper.stdin is not None:
            keeper.stdin.close()
            keeper.wait(30)

    def _ensure_guard(self) -> None:
        if self._guard is None:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", guard.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )

    def _tell(self, order: dict[str, object]) -> None:
        keeper = self._guard
        if keeper is not None and keeper.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                keeper.stdin.write(json.dumps(order).encode() + b"\n")
                keeper.stdin.flush()
