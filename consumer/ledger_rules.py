"""Which state follows which: the rules of the account, pure. A row and an operation give a new row and an answer.

A *mark* names one start. Whoever still has the mark of the last start may say how it ended; of everybody else only the
news that a mail was handed off counts, because that cannot be undone. Every operation may come twice (the answer of a
commit can be lost) and does nothing the second time.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, NamedTuple

from config.store_ledger_rows import MARK_BYTES, REASON_LENGTH, Row, Stands
from consumer.ledger import Record, Standing, State

NOBODY: Final = bytes(MARK_BYTES)
"""The mark of no start."""

_STATES: Final = {
    Stands.STARTED: State.NEW,
    Stands.STARTED_OWED: State.OWED,
    Stands.STARTED_UNKNOWN: State.UNKNOWN,
    Stands.OWED: State.OWED,
    Stands.UNKNOWN: State.UNKNOWN,
    Stands.DONE: State.DONE,
    Stands.DEAD: State.DEAD,
}
"""What stands, or what stood before the start."""

_ENDS: Final = {
    State.OWED: Stands.OWED,
    State.UNKNOWN: Stands.UNKNOWN,
    State.DONE: Stands.DONE,
    State.DEAD: Stands.DEAD,
}
_STARTS: Final = {Stands.OWED: Stands.STARTED_OWED, Stands.UNKNOWN: Stands.STARTED_UNKNOWN}


class Begin(NamedTuple):
    """A copy of an event wants to be sent. ``mark`` is new with each one."""

    key: bytes
    copy: bytes
    mark: bytes
    resend: bool


class End(NamedTuple):
    """How the start ``mark`` has ended. The start may be another process's, which was found too old."""

    key: bytes
    copy: bytes
    mark: bytes
    record: Record


Operation = Begin | End


def judge(row: Row | None, operation: Operation, now: int) -> tuple[Row | None, Standing]:
    """The row as it is to be, the same object if nothing changes, and the answer; ``now`` is on the rows' clock."""
    match operation:
        case Begin():
            return _begin(row, operation, now)
        case End():
            after = _end(row, operation)
            return after, _standing(after, operation.copy, now)


def _begin(row: Row | None, begin: Begin, now: int) -> tuple[Row | None, Standing]:
    if row is None:
        new = Row(begin.key, Stands.STARTED, now, None, None, begin.copy, begin.mark)
        return new, Standing(State.NEW, began=True, mark=begin.mark)
    stands = Stands(row.state)
    if row.mark == begin.mark and stands.started:
        return row, Standing(_STATES[stands], began=True, owed=positions(row.owed), mark=begin.mark)
    standing = _standing(row, begin.copy, now)
    if stands is Stands.OWED or (stands is Stands.UNKNOWN and begin.resend):
        started = row._replace(state=_STARTS[stands], at=now, reason=None, copy=begin.copy, mark=begin.mark)
        return started, _begun(standing, begin.mark)
    return row, standing


def _end(row: Row | None, end: End) -> Row | None:
    state = end.record.state
    if row is None:
        return None if state is State.NEW else _ended(None, end)
    stands = Stands(row.state)
    ours = row.mark == end.mark
    if ours and stands.started:
        return _before(row) if state is State.NEW else _ended(row, end)
    if state is State.NEW:
        # Somebody took it for unknown, and now it is known: nobody has it.
        return _before(row) if ours and stands is Stands.UNKNOWN else row
    if (ours and stands in _STARTS) or (state is State.DONE and stands is not Stands.DONE):
        return _ended(row, end)
    return row


def _ended(row: Row | None, end: End) -> Row:
    record = end.record
    owed = text(record.owed)
    if row is None:
        return Row(end.key, _ENDS[record.state], 0, owed, code(record.reason), end.copy, end.mark)
    if record.state is State.UNKNOWN and owed is None:
        owed = row.owed
    new = row._replace(state=_ENDS[record.state], owed=owed, reason=code(record.reason), copy=end.copy)
    return row if new == row else new


def _before(row: Row) -> Row | None:
    """What stood before the start; nobody's start any more, so that this is not taken back twice."""
    match Stands(row.state):
        case Stands.STARTED_OWED:
            return row._replace(state=Stands.OWED, mark=NOBODY)
        case Stands.STARTED_UNKNOWN:
            return row._replace(state=Stands.UNKNOWN, mark=NOBODY)
        case Stands.UNKNOWN if row.owed is not None:
            return row._replace(state=Stands.OWED, mark=NOBODY)
        case _:
            return None


def _begun(standing: Standing, mark: bytes) -> Standing:
    return replace(standing, began=True, mark=mark)


def _standing(row: Row | None, copy: bytes, now: int) -> Standing:
    if row is None:
        return Standing(State.NEW)
    stands = Stands(row.state)
    return Standing(
        State.STARTED if stands.started else _STATES[stands],
        owed=positions(row.owed),
        age=max(0.0, (now - row.at) / 1000),
        reason=row.reason or "",
        same_copy=row.copy == copy,
        mark=row.mark,
    )


def code(reason: str) -> str | None:
    """A reason as a row has it. Codes are shorter than the column; what is not would stop every other event as well."""
    return reason[:REASON_LENGTH] or None


def text(owed: Iterable[int] | None) -> str | None:
    """Positions as a row has them."""
    return None if owed is None else ",".join(map(str, owed))


def positions(owed: str | None) -> tuple[int, ...] | None:
    """Positions as an answer has them."""
    return None if owed is None else tuple(int(each) for each in owed.split(",") if each)
