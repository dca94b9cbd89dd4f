"""Runs the real ``mailroom`` command: as a person would, in processes of its own, settings by environment only."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.local.children import Children
from deploy.local.places import CLONE, LOCAL

_PATIENCE = 60.0
_COMMAND = (sys.executable, "-m", "consumer")


class CommandFailed(RuntimeError):
    """A command ended otherwise than it should; the text has its last words."""


class Running:
    """A command that was started."""

    def __init__(self, name: str, process: "subprocess.Popen[str]", children: Children) -> None:
        self._name = name
        self._process = process
        self._children = children

    def finish(self, expected: int = 0) -> str:
        """Waits for the end and returns what was printed.

        Raises:
            CommandFailed: another exit code than ``expected``, or no end within a minute.
        """
        try:
            out, err = self._process.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired as error:
            raise CommandFailed(f"`{self._name}` did not end within {_PATIENCE:g} s") from error
        finally:
            self.kill()
        if self._process.returncode != expected:
            said = "\n".join((err or out).strip().splitlines()[-12:])
            raise CommandFailed(f"`{self._name}` ended with {self._process.returncode} (expected {expected}):\n{said}")
        return out

    def kill(self) -> None:
        """Ends it if it still runs."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)
        self._children.forget(self._process.pid)


class Mailroom:
    """The command with its settings; ``settings`` are all MAILROOM_ variables it sees, whatever the caller's are."""

    def __init__(self, folder: Path, children: Children) -> None:
        self.settings: dict[str, str] = {}
        self._folder = folder
        self._children = children
        self._begun: list[Running] = []

    def begin(self, *arguments: str, given: str = "") -> Running:
        """Starts a command with ``given`` as its input."""
        process = subprocess.Popen(
            [*_COMMAND, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=self._environment(),
            cwd=self._folder,
            start_new_session=True,
        )
        self._children.watch(process.pid)
        running = Running(f"mailroom {' '.join(arguments[:2])}", process, self._children)
        self._begun.append(running)
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(given)
                process.stdin.close()
            process.stdin = None  # communicate() would flush it again
        return running

    def serve(self, command: str, log: Path) -> "subprocess.Popen[bytes]":
        """Starts ``mailroom run`` or ``mailroom web`` with its log in a file."""
        return self._children.start(
            [*_COMMAND, command],
            environment=self._environment(),
            output=log,
            folder=self._folder,
            last_signal=signal.SIGTERM,
        )

    def close(self) -> None:
        """Ends what was begun and not finished."""
        for running in self._begun:
            running.kill()

    def _environment(self) -> Mapping[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAILROOM_")}
        temporary = LOCAL / "tmp"
        temporary.mkdir(exist_ok=True)
        # Commands run in the demo's folder, so that no .env file of the clone is read.
        path = os.pathsep.join(filter(None, (str(CLONE), inherited.get("PYTHONPATH"))))
        return inherited | {"PYTHONPATH": path, "TMPDIR": str(temporary)} | self.settings
