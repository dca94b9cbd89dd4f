"""The starts this process knows of: its own, and those of others that a copy in its hands may have to end."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from config.store_ledger_rows import MARK_BYTES
from consumer.ledger import Standing, State

NOT_SEEN: Final = b"\xff" * MARK_BYTES
"""The mark of a start that this process knows nothing of."""

_REMEMBERED: Final = 20_000
"""More than a process has in hand."""


class Starts:
    """Their marks, by event and copy. ``clock`` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._marks: OrderedDict[tuple[bytes, bytes], bytes] = OrderedDict()
        self._sending: dict[bytes, float] = {}

    def seen(self, key: bytes, copy: bytes, standing: Standing) -> Standing:
        """Remembers whose start an answer is about; returns it, with the age by this process's clock if that can be."""
        if standing.began or standing.state in (State.STARTED, State.UNKNOWN):
            self._marks[key, copy] = standing.mark
            self._marks.move_to_end((key, copy))
            if len(self._marks) > _REMEMBERED:
                self._marks.popitem(last=False)
        if standing.began:
            self._sending[standing.mark] = self._clock()
        elif standing.mark in self._sending:
            # It is this process that sends: that it is at it, no clock that was set can make doubtful.
            return replace(standing, age=self._clock() - self._sending[standing.mark])
        return standing

    def ended(self, key: bytes, copy: bytes, mark: bytes = b"") -> bytes:
        """The mark of the start that this copy ends: the one given, or the last that it was told of."""
        mark = mark or self._marks.get((key, copy), NOT_SEEN)
        self._sending.pop(mark, None)
        return mark
