"""What waits for the ledger's next transaction, and what may go into it."""

import asyncio
from asyncio import Future
from collections import deque
from collections.abc import Callable
from typing import Final

from config.errors import StoreUnavailable
from consumer.ledger import Record, Standing, State
from consumer.ledger_rules import Begin, End, Operation

LARGEST: Final = 128
"""Operations in a transaction."""


class Waiting:
    """One operation on its way. ``given_up``: nobody wants the answer, and a start is to be undone.

    ``tried``: it was in a transaction whose outcome is not known, so the database may have it.
    """

    __slots__ = ("asked_at", "future", "given_up", "operation", "tried")

    def __init__(self, operation: Operation, future: "Future[Standing] | None", asked_at: float) -> None:
        self.operation = operation
        self.future = future
        self.asked_at = asked_at
        self.given_up = False
        self.tried = False


class Pending:
    """What waits, in order. Questions are given up after ``patience`` seconds; news of ends never are."""

    def __init__(self, patience: float, clock: Callable[[], float]) -> None:
        self._patience = patience
        self._clock = clock
        self._ends: deque[Waiting] = deque()
        self._questions: deque[Waiting] = deque()
        self._running: list[Waiting] = []
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._ends) + len(self._questions) + len(self._running)

    @property
    def waiting(self) -> int:
        """Operations for the next transactions."""
        return len(self._ends) + len(self._questions)

    def ask(self, question: Begin, future: "Future[Standing]") -> Waiting:
        """Adds a question; in the end ``future`` has the answer, or StoreUnavailable."""
        waiting = Waiting(question, future, self._clock())
        self._questions.append(waiting)
        if self._timer is None:
            self._timer = future.get_loop().call_later(self._patience, self._expire)
        return waiting

    def tell(self, end: End, future: "Future[Standing] | None" = None) -> None:
        """Adds the news of an end."""
        self._ends.append(Waiting(end, future, self._clock()))

    def undo(self, operation: Operation, answer: Standing | None) -> None:
        """Takes back a start that nobody knows of; without an answer it may have been made or not."""
        if isinstance(operation, Begin) and (answer is None or answer.began):
            self.tell(End(operation.key, operation.copy, operation.mark, Record(State.NEW)))

    def take(self) -> list[Waiting]:
        """The next batch: the news of ends before questions, and no key twice."""
        batch: list[Waiting] = []
        keys: set[bytes] = set()
        for queue in (self._ends, self._questions):
            later = []
            while queue and len(batch) < LARGEST:
                waiting = queue.popleft()
                if waiting.given_up:
                    if waiting.tried:
                        self.undo(waiting.operation, None)
                elif waiting.operation.key in keys:
                    later.append(waiting)
                else:
                    keys.add(waiting.operation.key)
                    batch.append(waiting)
            queue.extendleft(reversed(later))
        self._running = batch
        return batch

    def answered(self, answers: list[Standing | None]) -> None:
        """The batch was committed with these answers; ``None`` is asked again."""
        batch, self._running = self._running, []
        again = []
        for waiting, answer in zip(batch, answers, strict=True):
            if answer is None:
                again.append(waiting)
            elif waiting.given_up:
                self.undo(waiting.operation, answer)
            elif waiting.future is not None and not waiting.future.done():
                waiting.future.set_result(answer)
        self._put_back(again)

    def failed(self) -> None:
        """The batch was committed or not; it is repeated."""
        batch, self._running = self._running, []
        self._put_back(batch)

    def _put_back(self, batch: list[Waiting]) -> None:
        for waiting in reversed(batch):
            waiting.tried = True
            (self._ends if isinstance(waiting.operation, End) else self._questions).appendleft(waiting)

    def _expire(self) -> None:
        """Gives up what waited too long; as long as a question waits it is called again."""
        self._timer = None
        until = self._clock() - self._patience
        asked = []
        for waiting in (*self._running, *self._questions):
            future = waiting.future
            if future is None or future.done() or isinstance(waiting.operation, End):
                continue
            if waiting.asked_at <= until:
                waiting.given_up = True
                future.set_exception(StoreUnavailable("the database did not answer the ledger in time"))
            else:
                asked.append(waiting.asked_at)
        if asked:
            self._timer = asyncio.get_running_loop().call_later(min(asked) - until, self._expire)

    def close(self) -> None:
        """Stops the timer."""
        if self._timer is not None:
            self._timer.cancel()
