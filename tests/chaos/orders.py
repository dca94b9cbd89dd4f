"""What the harness and a replica tell each other, by files in one folder: what shall happen where, and what happened.

An order is for whichever replica gets there first: it is claimed by making a file, which the kernel lets one do.
Everything a replica writes is written before the signal, so a SIGKILL takes nothing of it away.
"""

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

FOLDER = "CHAOS_FOLDER"
"""The environment variable with the folder; not one of the product's."""

_ORDER, _CLOCK = "order.json", "clock"


@dataclass(frozen=True, slots=True)
class Order:
    """At the ``nth`` time that ``step`` is reached from now on, in one process, that process gets ``signal``."""

    number: int
    step: str
    nth: int
    signal: int


@dataclass(frozen=True, slots=True)
class Struck:
    """What came of an order: which process, at which event, and when (monotonic seconds, the same for all)."""

    number: int
    step: str
    signal: int
    pid: int
    event: str
    at: float


class Orders:
    """The harness' side: one order at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def give(self, order: Order) -> None:
        """From now on every replica looks out for it."""
        _replace(self._folder / _ORDER, json.dumps(asdict(order)))

    def withdraw(self) -> None:
        """Nobody looks out any more; one who has claimed it already goes on."""
        (self._folder / _ORDER).unlink(missing_ok=True)

    def struck(self, number: int) -> Struck | None:
        """What came of an order, once somebody has claimed it."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            return Struck(**json.loads((self._folder / f"claim-{number}").read_text()))
        return None

    def shift(self, replica: str, seconds: float) -> None:
        """Sets the wall clock of a replica apart from everybody's."""
        _replace(self._folder / f"{_CLOCK}-{replica}", str(seconds))


class Trap:
    """A replica's side: writes down every step it reaches, and obeys. See :data:`consumer.steps.Watch`."""

    def __init__(self, folder: Path, *, kill: Callable[[int, int], None] = os.kill) -> None:
        self._order_file = folder / _ORDER
        self._folder = folder
        self._kill = kill
        self._pid = os.getpid()
        self._trace = os.open(folder / f"{self._pid}.trace", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._seen = 0
        self._order: Order | None = None
        self._reached = 0

    def __call__(self, step: str, event: str) -> None:
        """One step of one event was reached."""
        at = time.monotonic()
        os.write(self._trace, f"{at:.6f} {step} {event}\n".encode())
        order = self._current()
        if order is None or order.step != step:
            return
        self._reached += 1
        if self._reached == order.nth and self._claim(Struck(order.number, step, order.signal, self._pid, event, at)):
            self._kill(self._pid, order.signal)

    def _current(self) -> Order | None:
        try:
            changed = self._order_file.stat().st_mtime_ns
        except FileNotFoundError:
            self._seen, self._order = 0, None
            return None
        if changed != self._seen:
            with contextlib.suppress(FileNotFoundError):
                self._order = Order(**json.loads(self._order_file.read_text()))
                self._seen, self._reached = changed, 0
        return self._order

    def _claim(self, struck: Struck) -> bool:
        mine = self._folder / f".claim-{struck.number}-{self._pid}-{id(self)}"
        mine.write_text(json.dumps(asdict(struck)))
        try:
            # A link appears whole, and only once.
            os.link(mine, self._folder / f"claim-{struck.number}")
        except FileExistsError:
            return False
        return True


class ShiftedClock:
    """A replica's wall clock: the real one and what the harness has added to it."""

    def __init__(self, folder: Path, replica: str) -> None:
        self._file = folder / f"{_CLOCK}-{replica}"
        self._seen = 0
        self._shift = timedelta()

    def __call__(self) -> datetime:
        """The wall clock as this replica shall see it."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            changed = self._file.stat().st_mtime_ns
            if changed != self._seen:
                self._shift = timedelta(seconds=float(self._file.read_text()))
                self._seen = changed
        return datetime.now(UTC) + self._shift


def signal_name(number: int) -> str:
    """``SIGKILL`` for 9."""
    return signal.Signals(number).name


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}")
    fresh.write_text(text)
    fresh.rename(path)
