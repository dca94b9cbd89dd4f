"""One replica for the chaos runs: the real program, which writes down every step and dies where it is told to.

``python -m tests.chaos.replica`` is ``mailroom run`` in all else but the pauses of breakers; it reads the same
environment.
"""

import asyncio
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import uvloop

from config import logs
from config.process import Settings
from consumer import program
from consumer.breaker import Rules
from consumer.breaker_verdicts import rules_of
from consumer.seams import Seams
from tests.chaos.orders import FOLDER, ShiftedClock, Trap


def main() -> int:
    """Runs until SIGTERM, or until an order ends it; the exit code."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _not_started)
    settings = Settings.load()
    logs.configure(settings.log_level, settings.log_format)
    folder = Path(os.environ[FOLDER])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        seams = Seams(watch=Trap(folder), now=ShiftedClock(folder, settings.replica_id), rules=_impatient)
        return runner.run(program.run(settings, seams))


def _impatient(key: str) -> Rules:
    """Breakers open as usual, and try again soon: a fault every few seconds would else keep them open for good."""
    usual = rules_of(key)
    return replace(usual, first=min(usual.first, 1.0), longest=min(usual.longest, 4.0))


def _not_started(_number: int, _frame: object) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
