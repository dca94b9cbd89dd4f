"""A small process that ends servers whose owner died without doing so.

Run by :mod:`deploy.local.children` as a script, with nothing but the standard library. It reads one JSON object a
line from its standard input: ``{"watch": [pid, started, signal]}``, ``{"forget": pid}``, ``{"remove": path}``. When the
input ends - the owner closed it, or the owner is gone, ``kill -9`` included - every process still watched gets its
signal, then SIGKILL with its whole group, and the folders are removed. It never touches a process id that was given
to another process meanwhile: the start time must match.
"""

import contextlib
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

GRACE = 3.0


def started_at(pid: int) -> int | None:
    """The kernel's start time of a process in clock ticks, or ``None`` when it is gone (proc(5), field 22)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])


def end(pid: int, started: int, first: int) -> None:
    """Ends one process: ``first``, a short grace, then SIGKILL to it and to its group."""
    if started_at(pid) != started:
        return
    with contextlib.suppress(OSError):
        os.kill(pid, first)
    until = time.monotonic() + (0.0 if first == signal.SIGKILL else GRACE)
    while started_at(pid) == started and time.monotonic() < until:
        time.sleep(0.02)
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)


def main() -> None:
    """Reads orders until the owner is gone, then cleans up."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    watched: dict[int, tuple[int, int]] = {}
    folders: set[str] = set()
    for line in sys.stdin:
        order = json.loads(line)
        if "watch" in order:
            pid, started, first = order["watch"]
            watched[pid] = (started, first)
        elif "forget" in order:
            watched.pop(order["forget"], None)
        elif "remove" in order:
            folders.add(order["remove"])
    for pid, (started, first) in watched.items():
        end(pid, started, first)
    for folder in folders:
        for _ in range(50):  # a process that is just being killed may still write a file
            shutil.rmtree(folder, ignore_errors=True)
            if not Path(folder).exists():
                break
            time.sleep(0.05)


if __name__ == "__main__":
    main()
