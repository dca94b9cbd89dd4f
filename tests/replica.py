"""The program as ``mailroom run`` starts it, with switches for tests and measurements that no operator has.

``python -m tests.replica [without-lanes] [without-ledger] [quick-breakers]``
"""

import asyncio
import signal
import sys
from dataclasses import replace
from typing import Any, Final

import uvloop

from config import logs
from config.process import Settings
from consumer import program as consumer
from consumer.breaker import Rules
from consumer.seams import ORDINARY
from tests.bench.without import NoLedger, Slots

QUICK_BREAKERS: Final = Rules(first=1.0, growth=1.5, longest=3.0)
"""Breakers whose pauses last seconds instead of minutes."""

SWITCHES: Final[dict[str, dict[str, Any]]] = {
    "without-lanes": {"turns": Slots},
    "without-ledger": {"ledger": NoLedger},
    "quick-breakers": {"rules": lambda key: QUICK_BREAKERS},
}


def program(*switches: str) -> list[str]:
    """The command line."""
    assert SWITCHES.keys() >= set(switches), switches
    return [sys.executable, "-m", "tests.replica", *switches]


def main() -> int:
    """Runs it until it is told to stop; the exit code is the program's."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _not_started)
    settings = Settings.load()
    logs.configure(settings.log_level, settings.log_format)
    seams = ORDINARY
    for switch in sys.argv[1:]:
        seams = replace(seams, **SWITCHES[switch])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(consumer.run(settings, seams))


def _not_started(_number: int, _frame: object) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
