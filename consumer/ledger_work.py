"""What the ledger's thread does with one batch: the common cases in one transaction, all others one by one.

Common is that an event is new, that its mail was handed off, and that nothing came of a start. Whether a case was
common, the database says by the number of rows it wrote; what was not is looked at and judged by the rules, and written
if it still stands as it was seen. Nothing depends on how often that is repeated.
"""

from collections.abc import Sequence
from typing import Final

from config.store_ledger_rows import Batch, LedgerDatabase
from consumer.ledger import Standing, State
from consumer.ledger_rules import Begin, Operation, judge

_ROUNDS: Final = 20
"""Looks at rows that others keep changing, before the rest is left to the next batch."""

_STARTS, _DONE, _GONE, _RARE = range(4)
_ANSWERS: Final = {_DONE: Standing(State.DONE), _GONE: Standing(State.NEW)}


def perform(
    database: LedgerDatabase, operations: Sequence[Operation], lanes: Sequence[tuple[str, bytes]]
) -> list[Standing | None]:
    """The answers, in order; ``None`` for what is to be asked again. No two operations are about the same key."""
    answers: list[Standing | None] = [None] * len(operations)
    groups: tuple[list[int], ...] = ([], [], [], [])
    for number, operation in enumerate(operations):
        groups[_group(operation)].append(number)
    left = _commit(database, operations, groups, lanes, answers)
    for _ in range(_ROUNDS):
        if not left:
            break
        left = _look(database, operations, left, answers)
    return answers


def _group(operation: Operation) -> int:
    if isinstance(operation, Begin):
        return _STARTS
    if operation.record.owed is None and not operation.record.reason:
        if operation.record.state is State.DONE:
            return _DONE
        if operation.record.state is State.NEW:
            return _GONE
    return _RARE


def _commit(
    database: LedgerDatabase,
    operations: Sequence[Operation],
    groups: tuple[list[int], ...],
    lanes: Sequence[tuple[str, bytes]],
    answers: list[Standing | None],
) -> list[int]:
    """Answers the common cases; returns the places of all others."""
    starts, done, gone, rare = groups
    if not (starts or done or gone or lanes):
        return rare
    batch = Batch(
        [(operations[number].key, operations[number].copy, operations[number].mark) for number in starts],
        [(operations[number].key, operations[number].mark) for number in done],
        [(operations[number].key, operations[number].mark) for number in gone],
        lanes,
    )
    left = list(rare)
    for group, count in zip((_STARTS, _DONE, _GONE), database.commit(batch), strict=True):
        if count != len(groups[group]):
            left += groups[group]
            continue
        for number in groups[group]:
            answers[number] = _ANSWERS.get(group) or Standing(State.NEW, began=True, mark=operations[number].mark)
    return left


def _look(
    database: LedgerDatabase, operations: Sequence[Operation], places: list[int], answers: list[Standing | None]
) -> list[int]:
    """One round over the operations at these places; those that are left."""
    rows, now = database.look([operations[number].key for number in places])
    left = []
    for number in places:
        row = rows.get(operations[number].key)
        new, standing = judge(row, operations[number], now)
        if new is row or database.swap(row, new):
            answers[number] = standing
        else:
            left.append(number)
    return left
