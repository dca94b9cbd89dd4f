"""The command ``mailroom`` as a person runs it: a process in a folder of its own, and what it must never say."""

import os
import pty
import socket
import subprocess
import sys
from pathlib import Path

from config.secrets import generate_key

ROOT = Path(__file__).parents[1]


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class CommandLine:
    """Runs ``mailroom`` in a folder of its own with exactly the variables given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.variables = {
            "MAILROOM_SECRET_KEYS": generate_key(),
            "MAILROOM_AMQP_URL": f"amqp://u:canary-broker@127.0.0.1:{closed_port()}/",
        }

    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAILROOM_")}
        return {**inherited, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error", "COLUMNS": "120", **self.variables}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "consumer", *arguments],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, stdin: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        out, err = process.communicate(stdin, timeout=60)
        assert process.returncode == code, (out, err)
        for shown in (out, err):
            assert "canary" not in shown
            assert "Traceback" not in shown
        return subprocess.CompletedProcess(arguments, code, out, err)

    def on_terminal(self, *arguments: str) -> str:
        """What a person sees of a command that succeeds, on a terminal of 120 columns."""
        terminal, theirs = pty.openpty()
        with os.fdopen(terminal, "rb", buffering=0) as screen:
            process = subprocess.Popen(
                [sys.executable, "-m", "consumer", *arguments],
                cwd=self.folder,
                env={**self.environment(), "TERM": "xterm"},
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
            )
            os.close(theirs)
            shown = b""
            try:
                while read := screen.read(4096):
                    shown += read
            except OSError:  # how Linux says that nobody has the other end any more
                pass
        assert process.wait(60) == 0, shown
        return shown.decode()
